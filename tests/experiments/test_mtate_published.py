"""The figures of MTATE's paper are written down as they are printed."""

from experiments.mtate import judged
from experiments.mtate.published import TABLE_A1


def test_the_papers_table_is_as_printed():
    text = """transformer 0.70(0.09) 0.67(0.09) 0.69(0.11) 0.17(0.13) 0.15(0.12) 0.10(0.06)
    lstm 0.71(0.11) 0.67(0.11) 0.76(0.12) 0.19(0.12) 0.20(0.12) 0.12(0.05)
    retain 0.68(0.12) 0.67(0.11) 0.72(0.13) 0.22(0.13) 0.21(0.12) 0.12(0.06)
    dann 0.58(0.12) 0.54(0.14) 0.59(0.12) 0.21(0.19) 0.16(0.13) 0.12(0.08)
    mtate 0.73(0.09) 0.65(0.11) 0.75(0.11) 0.15(0.10) 0.14(0.11) 0.08(0.05)"""
    printed = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    ours = {
        method: [f"{value:.2f}({sd:.2f})" for value, sd in figures.values()] for method, figures in TABLE_A1.items()
    }
    assert ours == printed
    assert all(list(figures) == list(judged.MAIN) for figures in TABLE_A1.values())
