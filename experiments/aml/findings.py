"""What the age study's page says first: sentences computed from the run's numbers, two questions kept separate.

Whether the frozen head is fooled says nothing of whether age is gone: the one may hold without the other.
"""

import numpy as np
import pandas as pd

from experiments.aml import figures
from experiments.aml.styles import REFERENCES, style
from experiments.report.blocks import Figure, Section, Statements, Text
from experiments.report.cells import DASH, in_words, number, signed, span, with_intervals
from experiments.report.trivial import gains, not_above
from jaxfair.metrics import summarize

FOOLED = 0.1  # |mean r| of the frozen head up to which the page calls it fooled; shown beside each use
LIFETIME = 150.0  # years; predictions wider than this, or farther from 0, are no ages any more
CONSTANT = 1.0  # years; predictions spread less than this are one number
AGAINST_THE_HEAD = ("reversed_mse", "ncov", "ncov_trained_adversary", "ncov_healthy")
PROBES = {"ridge": "probe_ridge_r2_healthy", "MLP": "probe_mlp_r2_healthy", "boosting": "probe_boosting_r2_healthy"}


class Findings:
    """The final values of the arms, ready to be put into sentences.

    Attributes:
      rows: `summarize` by method and metric.
      ended: members and diverged by method.
      trivial: By method, the trivial models that it is not above; nothing is concluded from it.
    """

    def __init__(self, values: pd.DataFrame, counts: pd.DataFrame):
        self.values = values
        self.rows = summarize(values, ["method", "metric"]).set_index(["method", "metric"])
        self.ended = counts.set_index("method")[["members", "diverged"]]
        self.trivial = {method: found for method, found in not_above(values).items() if method not in REFERENCES}

    def get(self, method: str, metric: str) -> pd.Series | None:
        """The summary, or None where the metric was not measured or is finite in no member."""
        key = (method, metric)
        return self.rows.loc[key] if key in self.rows.index and self.rows.loc[key, "n"] > 0 else None

    def absent(self, method: str, metric: str) -> str:
        """How a metric without a finite value is written: NaN where it was measured, else a dash."""
        return "NaN" if (method, metric) in self.rows.index else DASH

    def mean(self, method: str, metric: str) -> float:
        row = self.get(method, metric)
        return float("nan") if row is None else float(row["mean"])

    def difference(self, method: str, metric: str) -> str:
        """The arm's metric minus its control's, paired by seed and fold, as a signed number."""
        rows = self.values[self.values["metric"] == metric]
        control = rows[rows["method"] == style(method).control]
        pairs = rows[rows["method"] == method].merge(control, on=["seed", "fold"], suffixes=("", "_control"))
        mean = (pairs["value"] - pairs["value_control"]).mean()
        return signed(mean)

    def diverged(self, method: str) -> str:
        if method not in self.ended.index or not self.ended.loc[method, "diverged"]:
            return ""
        return "{diverged} of {members} diverged".format(**self.ended.loc[method])

    def remarks(self, method: str) -> list[str]:
        """What has to be known of an arm beside its figures."""
        rivals = " and ".join(gain.rival for gain in self.trivial.get(method, ()))
        return [*filter(None, [self.diverged(method), f"not above {rivals}" if rivals else ""])]

    def strongest(self, method: str) -> tuple[str, float]:
        """The fresh probe that reads most age within the healthy, and its mean R²."""
        found = {name: self.mean(method, metric) for name, metric in PROBES.items()}
        found = {name: value for name, value in found.items() if np.isfinite(value)}
        return max(found.items(), key=lambda item: item[1]) if found else ("", float("nan"))


def section(values: pd.DataFrame, counts: pd.DataFrame, *, simulated: bool = False) -> Section:
    """The paragraph, the statements and the figure of who reads the age.

    Args:
      values: Final values with the columns arm, method and metric, of the arms that are shown: one a method.
      counts: All arms' members, as `styles.arm_values` gives them.
      simulated: Whether the cohort is simulated, which comes first.
    """
    swept = counts[counts["method"].isin(counts.loc[~counts["shown"], "method"])]
    counts = counts[counts["shown"]]
    found = Findings(values, counts)
    source = "On a simulated cohort. " if simulated else ""
    blocks = [Text(warning)] if (warning := untrained(found)) else []
    if "baseline" in found.trivial:
        return Section("What this page says", [Text(source + blocks[0].text), Statements([majority(found)])])
    blocks += [Text(source + summary(found)), Statements([head(found), remaining(found), majority(found)])]
    if len(swept):
        numbers = swept.groupby("method", sort=False).size()
        alphas = [f"{style(method).label} over {n}" for method, n in numbers.items()]
        chosen = ", ".join(swept.loc[swept["shown"], "arm"])
        blocks.append(
            Text(
                f"Alphas were swept ({', '.join(alphas)}). The tables hold all of them; these statements, and figures "
                f"of one line a method, hold {chosen}."
            )
        )
    read = {entry for pair in figures.READERS.values() for entry in pair[:2]}
    arms = counts[~counts["method"].isin(REFERENCES)]
    arms = list(arms.loc[arms["arm"].isin(values.loc[values["metric"].isin(read), "arm"]), "arm"])
    if arms:
        n = counts.loc[counts["arm"].isin(arms), "members"]
        caption = (
            "Who reads the age. The frozen head is the one that adversarial training works against; the others are "
            f"trained afresh on the final representation. Means over members {with_intervals(n)} (n = {span(n)}, fewer "
            "where some diverged); a reader without a finite value has no mark."
        )
        blocks.append(Figure("readers", caption, figures.readers(values, arms)))
    return Section("What this page says", blocks)


def untrained(found: Findings) -> str:
    """Which models are not above a trivial one, in words; nothing where all are."""
    if not found.trivial:
        return ""
    named = [
        f"{style(method).label} ({'; '.join(gain.sentence for gain in gains)})"
        for method, gains in found.trivial.items()
    ]
    if "baseline" in found.trivial:
        ending = "The baseline is among them, so that this page draws no conclusions: its tables follow."
    else:
        ending = "Nothing is concluded from them."
    several = any(gain.n > 1 for gains in found.trivial.values() for gain in gains)
    by = "the 95 % interval" if several else "the value of the one member"
    return f"Not above a model that knows nothing of the ECG, by {by}: {', '.join(named)}. {ending}"


def summary(found: Findings) -> str:
    """One paragraph: the task, the head, what is left, what failed."""
    sentences = []
    auc, r = found.get("baseline", "roc_auc"), found.get("age_head", "age_pearson")
    if auc is not None:
        sentences.append(f"The baseline tells infarction from healthy with a ROC AUC of {in_words(auc, 'fraction')}.")
    if r is not None:
        sentences.append(
            f"A head trained on its frozen representation predicts age with r = {in_words(r, 'correlation')}."
        )
    ncov = found.get("ncov", "age_pearson")
    if ncov is not None and "ncov" not in found.trivial:
        sentence = f"NCOV brings that head to r = {in_words(ncov, 'correlation')}"
        if found.get("ncov", "roc_auc") is not None and found.get("no_adversary", "roc_auc") is not None:
            sentence += f", at a ROC AUC {found.difference('ncov', 'roc_auc')} against as many epochs without adversary"
        sentences.append(sentence + ".")
        if found.get("ncov", PROBES["ridge"]) is not None:
            sentences.append(
                "A fresh ridge probe still reads age from the NCOV representation with R² = "
                f"{number(found.mean('ncov', PROBES['ridge']))} within the healthy "
                f"(baseline {number(found.mean('baseline', PROBES['ridge']))})."
            )
    elif ncov is None and found.absent("ncov", "age_pearson") == "NaN":
        sentences.append("NCOV: no finite value.")
    name, least = found.strongest("joint_hsic")
    if name and "joint_hsic" not in found.trivial:
        sentences.append(
            f"Joint training with HSIC leaves R² = {number(least)} to the strongest fresh probe ({name}; its control "
            f"{number(found.strongest('joint_control')[1])}) and a correlation of score and age within the healthy of "
            f"{number(found.mean('joint_hsic', 'score_age_pearson_healthy'))} (control "
            f"{number(found.mean('joint_control', 'score_age_pearson_healthy'))}), at a ROC AUC "
            f"{found.difference('joint_hsic', 'roc_auc')} against its control."
        )
    ended = {style(method).label: found.diverged(method) for method in found.ended.index}
    lost = [f"{label} ({count})" for label, count in ended.items() if count]
    sentences.append(f"Diverged: {', '.join(lost)}." if lost else "No member diverged.")
    n = span(found.ended.loc[~found.ended.index.isin(REFERENCES), "members"])
    sentences.append(f"Figures are means ± SD over the members of an arm (n = {n}); intervals follow below.")
    return " ".join(sentences)


def head(found: Findings) -> tuple:
    """Whether the frozen head is fooled, by which arm, and whether by a constant or an explosion."""
    question = "Is the frozen age head fooled?"
    fooled, judged, lines = [], 0, [("Before", number(found.mean("age_head", "age_pearson")), "")]
    for method in AGAINST_THE_HEAD:
        if method not in found.ended.index:
            continue
        label, r = style(method).label, found.get(method, "age_pearson")
        spread = found.mean(method, "predicted_age_std")
        remarks = found.remarks(method)
        judged += method not in found.trivial
        if r is None:
            lines.append((label, found.absent(method, "age_pearson"), "; ".join(remarks)))
            continue
        if spread > LIFETIME or abs(found.mean(method, "predicted_age_mean")) > LIFETIME:
            where = found.mean(method, "predicted_age_mean")
            remarks.append(f"ran off: predictions {number(where, 'years')} ± {number(spread, 'years')} years")
        elif spread < CONSTANT:
            remarks.append(f"a constant: SD of predictions {number(spread, 'years')} years")
        elif abs(r["mean"]) <= FOOLED and method not in found.trivial:
            fooled.append(label)
        lines.append((label, f"{in_words(r, 'correlation')}", "; ".join(remarks)))
    if len(lines) == 1:
        return question, "Not measured", [], "No arm against the frozen head was run."
    if not judged:
        answer = "No arm can be judged"
    elif judged == 1:
        answer = "Yes, by the one arm that can be judged" if fooled else "Not by the one arm that can be judged"
    else:
        arms = f"{judged} arms" if judged == len(lines) - 1 else f"the {judged} arms that can be judged"
        answer = f"Yes, by {len(fooled)} of {arms}" if fooled else f"By none of {arms}"
    note = (
        f"Correlation of its prediction with the true age. Fooled means here: a mean within {FOOLED:g} of 0, by "
        "predictions that still vary like ages, of an arm above the trivial models. It says nothing of the age that is "
        "left."
    )
    return question, answer, lines, note


def remaining(found: Findings) -> tuple:
    """How much age a fresh probe reads within the healthy, arm by arm."""
    question = "How much age can still be read?"
    lines = []
    for method in ("baseline", "no_adversary", *AGAINST_THE_HEAD, "joint_control", "joint_hsic"):
        name, most = found.strongest(method)
        written = f"{number(most)} ({name})" if name else found.absent(method, PROBES["ridge"])
        if written != DASH:
            lines.append((style(method).label, written, "; ".join(found.remarks(method))))
    if not lines:
        return question, "Not measured", [], "No fresh probe within the healthy was run."
    kept = [
        f"{style(method).label}: {number(found.strongest(method)[1])} of {number(found.strongest(control)[1])}"
        for method, control in (("ncov", "no_adversary"), ("joint_hsic", "joint_control"))
        if not {method, control} & found.trivial.keys()
        if found.strongest(method)[0] and found.strongest(control)[0]
    ]
    note = (
        "Mean R² of the true age within the healthy, by the strongest of the fresh probes (named). The headline "
        "puts an arm beside its control without an age term."
    )
    return question, "; ".join(kept) or "See below", lines, note


def majority(found: Findings) -> tuple:
    """Which accuracies exceed what answering with the larger class alone gives."""
    question = "Do accuracies exceed the majority class?"
    of = {metric: found.values[found.values["metric"] == metric] for metric in ("accuracy", "majority_share")}
    own = of["accuracy"][~of["accuracy"]["method"].isin(REFERENCES)]
    if own.empty or of["majority_share"].empty:
        return question, "Not measured", [], "This run holds no share of the majority class."
    found_gains = gains(own, of["majority_share"], "accuracy", "the larger class alone")
    lines, above = [], sum(gain.above for gain in found_gains.values())
    for method, gain in found_gains.items():
        remarks = [] if gain.above else ["not above" if gain.n else "not finite"]
        remarks += [found.diverged(method)] if found.diverged(method) else []
        lines.append((style(method).label, signed(gain.mean) if gain.n else "NaN", "; ".join(remarks)))
    share = of["majority_share"]["value"].mean()
    several = any(gain.n > 1 for gain in found_gains.values())
    means = "with the whole 95 % interval" if several else "the value of the one member, which has no interval"
    note = (
        f"Accuracy minus {number(share)}, the share of the larger class in the evaluation split (mean). Above means: "
        f"{means}."
    )
    if len(found_gains) == 1:
        return question, "The one arm does" if above else "The one arm does not", lines, note
    return question, f"{above} of {len(found_gains)} arms do", lines, note
