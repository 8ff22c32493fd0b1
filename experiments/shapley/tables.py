"""The Shapley study's tables: accuracies beside published ones, hypotheses, attacks, what the scores know."""

import numpy as np
import pandas as pd

from experiments.report.blocks import Table
from experiments.report.cells import DASH, Cell, cell, interval, number, signed
from experiments.shapley import published
from experiments.shapley.arms import CONTROLS
from experiments.shapley.styles import HARDENINGS, REMOVALS, SCORES
from jaxfair import metrics
from jaxfair.metrics.paired import FAILS

OURS = {
    "full": "Blend-Res2Net",
    "resnet": "ResNet",
    "fcn": "FCN",
    "nearest_neighbour_dtw": "1-NN DTW",
}
ATTACKS = {
    "accuracy": "test beats",
    "pgd_accuracy": "under PGD",
    "counterfactual_accuracy_own": "own",
    "counterfactual_accuracy_full": "of M",
    "counterfactual_accuracy_crossed": "M on its",
    "counterfactual_accuracy_surrogate": "of a third",
    "counterfactual_success": "fooled",
    "counterfactual_norm": "‖r‖/‖x‖",
    "counterfactual_norm_ratio": "over M's",
}


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals."""
    return DASH if pd.isna(value) else f"{100 * value:.2f}"


def accuracies(values: pd.DataFrame, problems: list[str]) -> Table:
    """The paper's Table 2: our accuracies over seeds, with the mode that the paper reports, beside published ones."""
    rows = []
    accuracy = values[values["metric"] == "accuracy"]
    for method, name in OURS.items():
        cells = []
        for problem in problems:
            own = accuracy[(accuracy["method"] == method) & (accuracy["problem"] == problem)]["value"].to_numpy()
            own = own[np.isfinite(own)]
            if not len(own):
                cells.append(Cell(DASH))
            elif len(own) == 1:
                cells.append(Cell(percent(own[0])))
            else:
                often, count = metrics.mode(own)
                spread = f"{percent(own.mean())} ± {percent(own.std(ddof=1))}"
                cells.append(Cell(spread, f"mode {percent(often)} ({count} of {len(own)})"))
        if any(cell.main != DASH for cell in cells):
            rows.append([name, "ours, this page", *cells])
    if set(problems) & set(published.PROBLEMS):
        for peer in published.PEERS:
            cells = []
            for problem in problems:
                value, spread = peer.accuracy.get(problem), peer.deviation.get(problem)
                written = DASH if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
                cells.append(written if spread is None else f"{written} ± {spread:g}")
            rows.append([peer.method, peer.source, *cells])
    caption = (
        "Accuracy on the archive's test split in percent: mean ± SD over seeds, and below it the mode over "
        "seeds, which is what the paper reports (a mode is no average and has no error)."
    )
    return Table(caption, ["method", "source", *problems], rows, text_columns=2)


def repeated(values: pd.DataFrame, problems: list[str]) -> list[str]:
    """Whether our peers agree with what they repeat: within one published standard deviation, or exactly."""
    agreements = []
    for method, (name, source) in published.REPEATED.items():
        (peer,) = (peer for peer in published.PEERS if (peer.method, peer.source) == (name, source))
        for problem in problems:
            own = values[(values["metric"] == "accuracy") & (values["method"] == method)]
            own = 100 * own[own["problem"] == problem]["value"].to_numpy()
            if not len(own) or problem not in peer.accuracy:
                continue
            theirs, spread = peer.accuracy[problem], peer.deviation.get(problem)
            # One half of the last published digit besides: what rounding may have hidden.
            within = abs(own.mean() - theirs) <= (0.005 if spread is None else spread + 0.05)
            of = f"{theirs:g}" if spread is None else f"{theirs:g} ± {spread:g}"
            agreements.append(
                f"{OURS[method]} on {problem}: {own.mean():.2f} (n = {len(own)}) against {of}, "
                f"{'agrees' if within else 'does not agree'}"
            )
    return agreements


def depths(table: pd.DataFrame, problems: list[str]) -> Table:
    """Held-out loss by depth, and the depth that was chosen."""
    rows = []
    for problem in problems:
        part = table[table["problem"] == problem]
        for row in part.itertuples():
            loss = Cell(f"{row.loss:.3f} ± {row.standard_error:.3f}", "chosen" if row.chosen else "")
            rows.append([problem, str(row.depth), str(row.steps), loss, f"{100 * row.unexplained:.0f} %"])
    caption = (
        "Restrained learning: mean held-out cross-entropy (nats) ± standard error by depth. The shallowest depth "
        "within one standard error of the least is taken; the paper's own rule is not public. All depths are trained "
        "twice as long again until what the training loss of the chosen one leaves of the entropy of the classes is "
        "small enough, or the longest training is reached."
    )
    return Table(caption, ["problem", "depth", "steps", "held-out loss", "training loss / entropy"], rows)


def hypotheses(tested: pd.DataFrame, problem: str) -> Table:
    """Each statement at each share, as stated and against random removal."""
    rows = []
    for row in tested[tested["problem"] == problem].itertuples():
        what = f"{row.percent:g} %" if row.hypothesis == 1 else f"{row.before:g} → {row.percent:g} %"
        rows.append(
            [
                row.statement,
                what,
                number(row.better),
                number(row.worse),
                _difference(row, ""),
                _p(row.p_holm),
                _difference(row, "_random"),
                _p(row.p_holm_random),
                _difference(row, "_matched"),
                _p(row.p_holm_matched),
            ]
        )
    n = int(tested.loc[tested["problem"] == problem, "n"].max())
    caption = (
        f"{problem}, n = {n} seeds. Hypothesis 1 compares M with the model without the top n %; hypothesis 2 one "
        "share with the next. 'As stated': the first mean minus the second, with the 95 % interval over seeds "
        "(Student's, within the bounds of the figure); the verdict is whether it lies above 0. 'More than random': how "
        "much more is lost than by removing as many samples at random, or as many at random of the classes that the "
        "score removes. P-values of a sign-flip test, adjusted for all of this problem's tests (Holm)."
    )
    header = [
        "statement",
        "removed",
        "with",
        "without",
        "as stated",
        "p",
        "more than random",
        "p",
        "than random of its classes",
        "p",
    ]
    return Table(caption, header, rows, text_columns=2)


def _difference(row, suffix):
    verdict = getattr(row, f"verdict{suffix}", None)
    if verdict is None or pd.isna(verdict):
        return Cell(DASH)
    mean, low, high = (getattr(row, f"{name}{suffix}") for name in ("mean", "low", "high"))
    within = interval(low, high) or ("all equal" if getattr(row, f"n{suffix}") > 1 else "")
    return Cell(f"{signed(mean)}, {verdict}", within, alarm=verdict == FAILS)


def _p(value):
    return DASH if pd.isna(value) else ("< 0.001" if value < 0.001 else f"{value:.3f}")


def attacks(values: pd.DataFrame, problem: str, score: str, most: int) -> Table:
    """Models against counterfactuals: who crafted them, who is tested; `most` test beats at most are attacked."""
    rows = []
    part = values[(values["problem"] == problem) & values["score"].isin(["", score, *CONTROLS])]
    summary = metrics.summarize(part, ["hardening", "kind", "percent", "metric"])
    summary = summary.set_index(["hardening", "kind", "percent", "metric"])
    for hardening in HARDENINGS:
        for kind in ("full", *REMOVALS):
            shares = sorted({key[2] for key in summary.index if key[:2] == (hardening, kind)})
            for share in shares:
                name = "M" if kind == "full" else f"{REMOVALS[kind].label.replace('n %', f'{share:g} %')}"
                name = name if hardening == "none" else f"{name}, hardened by {HARDENINGS[hardening]}"
                cells = [
                    cell(summary.loc[key], "fraction", int(summary.loc[key, "n"] + summary.loc[key, "missing"]))
                    if (key := (hardening, kind, share, metric)) in summary.index
                    else Cell(DASH)
                    for metric in ATTACKS
                ]
                rows.append([name, *cells])
    caption = (
        f"{problem}: accuracy on test beats, under projected gradient descent, and on what DeepFool crafted on the "
        "model itself (0 by construction), on M, of M on what was crafted on this model, and on a third model, "
        "trained on everything from other initial weights; then the share of beats that DeepFool fools this model "
        f"on, the size of its change, and its ratio to M's on beats that both are right about. Up to {most} test "
        "beats are attacked; of counterfactuals only beats that the crafting model was fooled by count."
    )
    return Table(caption, ["model", *ATTACKS.values()], rows, folded=True)


def gaps(values: pd.DataFrame) -> pd.DataFrame:
    """By problem, score, side and share, accuracy minus that of the random removal, paired by seed."""
    plain = values[(values["metric"] == "accuracy") & (values["hardening"] == "none") & (values["percent"] > 0)]
    random = plain[plain["kind"] == "random"].set_index(["problem", "percent", "seed"])["value"]
    rows = []
    for (problem, name, kind, share), part in plain[~plain["score"].isin(CONTROLS)].groupby(
        ["problem", "score", "kind", "percent"], sort=False
    ):
        keys = pd.MultiIndex.from_arrays([part["problem"], part["percent"], part["seed"]])
        difference = metrics.paired_difference(
            part["value"].to_numpy(), random.reindex(keys).to_numpy(), bounds=metrics.bounds_of("accuracy")
        )
        rows.append({"problem": problem, "score": name, "kind": kind, "percent": share} | difference._asdict())
    return pd.DataFrame(rows)


def scores(values: pd.DataFrame, planted: pd.DataFrame, problem: str) -> Table:
    """What the scores have to do with each other, with other seeds, and with planted wrong labels."""
    own = values[values["problem"] == problem]
    wide = {name: part.pivot(index="id", columns="seed", values="value") for name, part in _by_score(own)}
    base = wide.get("signed_sum")
    wrong = planted[planted["problem"] == problem].set_index("id")["mislabelled"] if len(planted) else None
    rows = []
    for name, table in wide.items():
        between, together = DASH, DASH
        if table.shape[1] > 1:
            ranks = table.corr(method="spearman").to_numpy()
            between = number(np.nanmean(ranks[np.triu_indices(len(ranks), 1)]))
        if base is not None and name != "signed_sum":
            pairs = [
                base[seed].corr(table[seed if seed in table else table.columns[0]], method="spearman") for seed in base
            ]
            together = number(np.nanmean(pairs))
        spread = number(table.std(ddof=1).mean())
        row = [SCORES.get(name, name), spread, between, together]
        if wrong is not None:
            found = [
                float(metrics.roc_auc(-table[seed].to_numpy(), wrong.reindex(table.index).to_numpy(float)))
                for seed in table
            ]
            row.append(number(np.mean(found)))
        rows.append(row)
    header = ["score", "SD between samples", "rank r between seeds", "rank r with the signed sum"]
    caption = (
        f"{problem}: how much a score varies between training samples, how far two seeds agree on their order "
        "(Spearman's correlation, mean over pairs of seeds; scores that no single network gives have no seeds), and "
        "how far it agrees with the paper's score."
    )
    if wrong is not None:
        header.append("finds wrong labels (AUC)")
        caption += (
            " The area under the ROC curve for finding the planted wrong labels among the low values; chance is 0.5."
        )
    return Table(caption, header, rows)


def _by_score(values):
    known = [name for name in SCORES if name in set(values["score"])]
    for name in known:
        part = values[values["score"] == name]
        yield name, part.assign(seed=part["seed"].fillna(-1).astype(int))


_KINDS = ("top", "bottom", "random")


def class_shares(
    removed: pd.DataFrame, members: pd.DataFrame, counts: pd.DataFrame, problem: str, score: str
) -> pd.DataFrame:
    """Of which classes the removed samples are, over all seeds, at the largest share.

    Returns:
      A row a class: samples (in the training set), share (of it), top, bottom, random (of what was removed); fractions.
      `attrs["percent"]` is the share that was removed.
    """
    own = members[(members["problem"] == problem) & (members["hardening"] == "none") & members["percent"].gt(0)]
    own = own[(own["percent"] == own["percent"].max()) & own["score"].isin([score, "random"])]
    gone = removed.merge(own[["member", "score", "side", "percent"]], on="member")
    gone["kind"] = gone["side"].where(gone["score"] != "random", "random")
    gone["class"] = gone["class"].astype(str)
    train = counts[(counts["problem"] == problem) & (counts["split"] == "train")]
    table = pd.DataFrame({"samples": train["count"].to_numpy()}, index=train["class"].astype(str))
    table["share"] = table["samples"] / table["samples"].sum()
    for kind in _KINDS:
        table[kind] = (
            gone.loc[gone["kind"] == kind, "class"].value_counts(normalize=True).reindex(table.index).fillna(0)
        )
    table.attrs["percent"] = float(own["percent"].max())
    return table


def classes_removed(shares: pd.DataFrame, problem: str) -> Table:
    """The classes of the removed samples; `shares` as `class_shares` gives them."""
    rows = [
        [name, number(row["samples"], "count"), *(f"{100 * row[part]:.1f}" for part in ("share", *_KINDS))]
        for name, row in shares.iterrows()
    ]
    caption = (
        f"{problem}: training samples by class, and the classes of the {shares.attrs['percent']:g} % that were "
        "removed, in percent, over all seeds."
    )
    return Table(caption, ["class", "samples", "share", *(f"of the {kind}" for kind in _KINDS)], rows)
