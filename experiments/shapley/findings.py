"""What the Shapley study's page says first: accuracies, what removals cost beyond chance, and who has not learned."""

import pandas as pd

from experiments.report.blocks import Figure, Section, Statements, Text
from experiments.report.cells import interval, number, signed, with_intervals
from experiments.report.trivial import gains
from experiments.results.reading import Run
from experiments.shapley import figures, hypotheses, tables
from experiments.shapley.arms import CONTROLS
from experiments.shapley.hypotheses import STATEMENTS
from experiments.shapley.styles import SCORES, arm_values, base_score, of_problems, problems, study
from jaxfair.metrics import summarize
from jaxfair.metrics.paired import EQUAL, FAILS, HOLDS, TOO_FEW, UNDECIDED

COUNTS = ["problem", "class", "split", "count"]


def summary(run: Run) -> str:
    """The run in some lines of text."""
    values, names = arm_values(run), problems(run)
    failed = untrained(run, values, names)
    sentences = list(failed.values())
    if study(values).empty:
        return "\n".join([*sentences, *tables.repeated(values, names)])
    names = [name for name in names if name not in failed]
    tested = hypotheses.test_hypotheses(of_problems(study(values), names), base_score(run))
    sentences += [_sentence(study(values), tested, problem, base_score(run)) for problem in names]
    return "\n\n".join(sentences)


def untrained(run: Run, values: pd.DataFrame, names: list[str]) -> dict[str, str]:
    """By problem, which classifiers are not above the largest class by their interval, in words; none where all are."""
    counts, found = run.table("counts", COUNTS), {}
    for problem in names:
        test = counts[(counts["problem"] == problem) & (counts["split"] == "test")].set_index("class")["count"]
        share = pd.DataFrame({"problem": [problem], "value": [test.max() / test.sum()]})
        rows = values[(values["problem"] == problem) & (values["metric"] == "accuracy")]
        rows = rows[rows["method"].isin(list(tables.OURS))]
        below = gains(rows, share, "accuracy", f"the largest class ({test.idxmax()}) alone") if len(rows) else {}
        sentences = [f"{tables.OURS[method]}: {gain.sentence}" for method, gain in below.items() if not gain.above]
        by = "the 95 % interval" if any(gain.n > 1 for gain in below.values()) else "the value of the one seed"
        if sentences:
            found[problem] = (
                f"On {problem} not above a classifier that looks at no beat, by {by}: "
                f"{'; '.join(sentences)}. It has not learned, and nothing is concluded from it."
            )
    return found


def section(
    run: Run, own: pd.DataFrame, tested: pd.DataFrame, names: list[str], score: str, failed: dict[str, str]
) -> Section:
    """The sentences, the cards of the hypotheses and the figure of what removals cost.

    Args:
      run: The run.
      own: The final values of the study's own arms, of the problems with a classifier that has learned.
      tested: `hypotheses.test_hypotheses` of these.
      names: These problems.
      score: By which samples were removed.
      failed: By other problem, that its classifier has not learned, in words.
    """
    simulated = run.config.get("data") == "simulated"
    start = "On simulated beats. " if simulated else ""
    blocks = [Text(start + sentence) for sentence in failed.values()]
    blocks += [Text(f"{start}{_sentence(own, tested, name, score)} {_taken_from(run, name, score)}") for name in names]
    if len(tested):
        blocks.append(Statements([_card(tested, *card) for card in _CARDS]))
        curves = own[own["metric"].isin(list(figures.CURVES))]
        n = own.groupby("problem")["seed"].nunique()
        caption = (
            f"What is lost without the samples that score highest by the {SCORES[score]}, without those that score "
            f"lowest, and without as many at random. Means over seeds {with_intervals(n)} (n = "
            f"{', '.join(f'{n[name]} on {name}' for name in names)}), cut where they leave the frame."
        )
        blocks.append(Figure("removal_curves", caption, figures.removal_curves(curves, score, names)))
    return Section("What this page says", blocks)


_CARDS = (
    (
        1,
        "",
        "Hypothesis 1 as stated: is M at least as good as without its top samples?",
        "Counted over problems and shares by 95 % intervals; in brackets, how many still do after Holm's adjustment "
        "for all tests of a problem. Any loss of data does this: by itself it says nothing of the score.",
    ),
    (
        1,
        "_random",
        "Do the top samples matter more than random ones?",
        "The same against a random removal of the same size: what the paper does not test.",
    ),
    (
        1,
        "_matched",
        "More than random ones of the same classes?",
        "The same against as many random samples of each class: what is left of the score beside the classes it takes.",
    ),
    (2, "", "Hypothesis 2 as stated: does removing more do more harm?", "One share against the next larger one."),
    (2, "_random", "Does removing more do more harm than at random?", "Differences of differences, share by share."),
    (2, "_matched", "And more than at random within its classes?", "The same for random samples of the same classes."),
)


def _card(tested, hypothesis, suffix, question, note):
    rows = tested[tested["hypothesis"] == hypothesis]
    rows = rows[rows[f"verdict{suffix}"].notna()]
    verdicts, lines = rows[f"verdict{suffix}"], []
    for statement in STATEMENTS:
        own = rows.loc[rows["statement"] == statement.name, f"verdict{suffix}"].dropna()
        if len(own):
            lines.append((statement.name, _counts(own), statement.remark if hypothesis == 1 and not suffix else ""))
    sure = rows[f"p_holm{suffix}"] < 0.05
    held, failed = (f"{(verdicts == one).sum()} ({(sure & (verdicts == one)).sum()})" for one in (HOLDS, FAILS))
    answer = f"Holds in {held} of {len(verdicts)}, fails in {failed}"
    return question, answer if len(verdicts) else "Not measured", lines, note


def _counts(verdicts):
    words = verdicts.where(verdicts.isin([HOLDS, FAILS, EQUAL]), UNDECIDED)
    counts = words.value_counts().reindex([HOLDS, FAILS, EQUAL, UNDECIDED]).dropna().astype(int)
    return ", ".join(f"{word} in {count}" for word, count in counts.items()) + f" of {len(verdicts)}"


def _sentence(own, tested, problem, score):
    """One problem in words: accuracies, and what the largest removal does beyond chance."""
    part = own[(own["problem"] == problem) & (own["metric"] == "accuracy") & (own["hardening"] == "none")]
    part = part[part["score"].isin(["", score, *CONTROLS])]
    rows = summarize(part, ["kind", "percent"]).set_index(["kind", "percent"])
    largest = part["percent"].max()
    full = rows.loc[("full", 0.0)]
    sentences = [
        f"{problem} (n = {int(full['n'])} seeds): accuracy {number(full['mean'])} with all training samples, "
        f"{number(rows.loc[('top', largest), 'mean'])} without the {largest:g} % that score highest, "
        f"{number(rows.loc[('bottom', largest), 'mean'])} without the {largest:g} % that score lowest, "
        f"{number(rows.loc[('random', largest), 'mean'])} without a random {largest:g} %."
    ]
    row = tested[
        (tested["problem"] == problem)
        & (tested["hypothesis"] == 1)
        & (tested["percent"] == largest)
        & (tested["statement"] == STATEMENTS[0].name)
    ].iloc[0]
    for control, others in (("random", "random ones"), ("matched", "random ones of the same classes")):
        if row["n"] > 1:
            cost = f"{signed(row[f'mean_{control}'])} {interval(row[f'low_{control}'], row[f'high_{control}'])}".strip()
            sentences.append(
                f"The top samples cost {cost} more than {others}: that they matter more "
                f"{_IN_WORDS[row[f'verdict_{control}']]}."
            )
    return " ".join(sentences)


_IN_WORDS = {
    HOLDS: "holds",
    FAILS: "fails, they matter less",
    EQUAL: "is not seen, both cost the same",
    UNDECIDED: "is undecided",
    TOO_FEW: "cannot be said from so few seeds",
}


def class_shares(run: Run, problem: str, score: str) -> pd.DataFrame:
    """`tables.class_shares` of a problem."""
    removed, counts = run.table("removed", ["problem", "member", "id", "class"]), run.table("counts", COUNTS)
    return tables.class_shares(removed, run.members, counts, problem, score)


def _taken_from(run, problem, score):
    """The class that the score's top is most of, in words."""
    shares = class_shares(run, problem, score)
    name = (shares["top"] - shares["share"]).idxmax()
    row, percent = shares.loc[name], shares.attrs["percent"]
    return (
        f"Of the {percent:g} % that score highest {100 * row['top']:.0f} % are of class {name}, which has "
        f"{100 * row['share']:.0f} % of the training samples."
    )
