"""What others have published: the only table of MTATE's paper whose figures survive, and models of Challenge 2012."""

from collections.abc import Mapping
from typing import NamedTuple

_FIGURES = (
    ("", "roc_auc"), ("", "accuracy"), ("", "pr_auc"), ("all", "demographic_parity_difference"),
    ("all", "equal_opportunity_difference"), ("all", "mean_equalized_odds_difference"),
)  # fmt: skip


def _row(*pairs: tuple[float, float]) -> dict[tuple[str, str], tuple[float, float]]:
    return dict(zip(_FIGURES, pairs, strict=True))


# Table A1 of "Unbiased representation of electronic health records for patient outcome prediction" (ICLR 2023
# submission): test windows at one death for each survivor. By method and (domain or "all" or "", metric): the figure
# and what stands in brackets, most likely its standard deviation across subpopulations. Tables 1 to 3 and the values
# of the figures are lost in every copy of the text.
TABLE_A1: Mapping[str, Mapping[tuple[str, str], tuple[float, float]]] = {
    "transformer": _row((0.70, 0.09), (0.67, 0.09), (0.69, 0.11), (0.17, 0.13), (0.15, 0.12), (0.10, 0.06)),
    "lstm": _row((0.71, 0.11), (0.67, 0.11), (0.76, 0.12), (0.19, 0.12), (0.20, 0.12), (0.12, 0.05)),
    "retain": _row((0.68, 0.12), (0.67, 0.11), (0.72, 0.13), (0.22, 0.13), (0.21, 0.12), (0.12, 0.06)),
    "dann": _row((0.58, 0.12), (0.54, 0.14), (0.59, 0.12), (0.21, 0.19), (0.16, 0.13), (0.12, 0.08)),
    "mtate": _row((0.73, 0.09), (0.65, 0.11), (0.75, 0.11), (0.15, 0.10), (0.14, 0.11), (0.08, 0.05)),
}
BASELINES = tuple(name for name in TABLE_A1 if name != "mtate")
MASKING_LOSS = 0.18  # Section 4.2: "the accuracy of MTATE without masking is 18% lower".
BEST_RATE = 4  # Tenths: appendix A.4.


class Reported(NamedTuple):
    """A model on Challenge 2012: hospital death from the first 48 hours.

    Attributes:
      model: What it is.
      roc_auc: As it is written, with its spread over seeds or folds.
      pr_auc: The same; "" where it is not known.
      sets: Of the Challenge, on which it was trained and tested.
      source: Where the figure stands.
    """

    model: str
    roc_auc: str
    pr_auc: str
    sets: str
    source: str


_DUETT = "the DuETT paper's table, quoted by a replication"
_SEFT = "the SeFT paper's table"
CHALLENGE_2012 = (
    Reported("GRU-D", "0.842", "", "A, five folds", "quoted in two notes on the GRU-D paper"),
    Reported("Gradient boosting of aggregates", "0.865 ± 0.001", "0.531 ± 0.009", "A to C", _DUETT),
    Reported("LSTM", "0.848 ± 0.002", "0.494 ± 0.002", "A to C", _DUETT),
    Reported("mTAND", "0.857 ± 0.001", "0.515 ± 0.007", "A to C", _DUETT),
    Reported("Raindrop", "0.838 ± 0.009", "0.479 ± 0.002", "A to C", _DUETT),
    Reported("STraTS", "0.852 ± 0.008", "0.527 ± 0.006", "A to C", _DUETT),
    Reported("DuETT", "0.872 ± 0.001", "0.554 ± 0.003", "A to C", _DUETT),
    Reported("Transformer", "0.863 ± 0.008", "0.528", "A to C", _SEFT),
    Reported("GRU-D", "0.863", "0.537", "A to C", _SEFT),
    Reported("IP-Nets", "0.860", "0.510", "A to C", _SEFT),
    Reported("SeFT", "0.851", "0.524", "A to C", _SEFT),
    Reported("mTAND, its users' runs", "0.827", "0.45", "8,000 stays", "reml-lab/mTAN, issue 2"),
    Reported("Raindrop", "0.828", "0.440", "A to C", "Leezekun/ViTST, issue 14"),
)
