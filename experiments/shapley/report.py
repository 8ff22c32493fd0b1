"""The Shapley study's page: both hypotheses as stated and against chance, and what the score is made of."""

from experiments.report.blocks import Figure, Section, Statements, Table, Text
from experiments.report.cells import interval, number, signed
from experiments.report.curves import training_curves
from experiments.report.style import BLACK, BLUE, GREEN, Style
from experiments.results.reading import Run
from experiments.results.summaries import arm_members
from experiments.shapley import figures, hypotheses, tables
from experiments.shapley.arms import CONTROLS
from experiments.shapley.hypotheses import STATEMENTS
from experiments.shapley.styles import SCORES, arm_values, base_score, problems, study
from jaxfair.attribution.removal import num_removed
from jaxfair.metrics import summarize
from jaxfair.metrics.paired import EQUAL, FAILS, HOLDS, TOO_FEW, UNDECIDED

TITLE = "Are the training samples with high attribution scores the ones that a classifier of beats needs?"
LEAD = (
    "Ukil, Jara and Marin, Explainability by Shapley attribution for electrocardiogram-based algorithmic diagnosis "
    "under subtractive counterfactual reasoning setup, EXPLIMED 2024, run again with the controls that it lacks: "
    "random removal, removal of the least important samples, and counterfactuals of a third model."
)
COUNTS = ["problem", "class", "split", "count"]
FACTS = ["problem", "length", "padded", "filled", "verified", "simulated"]
VALUES = ["problem", "seed", "id", "class", "score", "value"]
PICTURES = ["problem", "picture", "id", "class", "time", "value"]


def summary(run: Run) -> str:
    """The run in some lines of text."""
    values = arm_values(run)
    if study(values).empty:
        return "\n".join(tables.repeated(values, problems(run)))
    tested = hypotheses.test_hypotheses(study(values), base_score(run))
    return "\n\n".join(_sentence(study(values), tested, problem, base_score(run)) for problem in problems(run))


def sections(run: Run) -> list[Section]:
    """What the page says, section by section."""
    values, names, score = arm_values(run), problems(run), base_score(run)
    own = study(values)
    if own.empty:
        return [_accuracies(run, values, names), _data(run, names)]
    tested = hypotheses.test_hypotheses(own, score)
    return [
        _findings(run, own, tested, names, score),
        _data(run, names),
        _accuracies(run, values, names),
        _hypotheses(run, tested, names),
        _scores(run, own, names, score),
        _attacks(run, own, names, score),
        _pictures(run, names, score),
        _training(run),
    ]


def _findings(run, own, tested, names, score) -> Section:
    simulated = run.config.get("data") == "simulated"
    start = "On simulated beats. " if simulated else ""
    blocks = [Text(f"{start}{_sentence(own, tested, name, score)} {_taken_from(run, name, score)}") for name in names]
    if len(tested):
        blocks.append(Statements([_card(tested, *card) for card in _CARDS]))
        curves = own[own["metric"].isin(list(figures.CURVES))]
        n = own.groupby("problem")["seed"].nunique()
        caption = (
            f"What is lost without the samples that score highest by the {SCORES[score]}, without those that score "
            "lowest, and without as many at random. Means over seeds with 95 % intervals (n = "
            f"{', '.join(f'{n[name]} on {name}' for name in names)})."
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
            cost, within = signed(row[f"mean_{control}"]), interval(row[f"low_{control}"], row[f"high_{control}"])
            sentences.append(
                f"The top samples cost {cost} {within} more than {others}: that they matter more "
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


def _class_shares(run, problem, score):
    removed, counts = run.table("removed", ["problem", "member", "id", "class"]), run.table("counts", COUNTS)
    return tables.class_shares(removed, run.members, counts, problem, score)


def _taken_from(run, problem, score):
    """The class that the score's top is most of, in words."""
    shares = _class_shares(run, problem, score)
    name = (shares["top"] - shares["share"]).idxmax()
    row, percent = shares.loc[name], shares.attrs["percent"]
    return (
        f"Of the {percent:g} % that score highest {100 * row['top']:.0f} % are of class {name}, which has "
        f"{100 * row['share']:.0f} % of the training samples."
    )


def _data(run, names) -> Section:
    counts, facts = run.table("counts", COUNTS), run.table("problems", FACTS).set_index("problem")
    rows, remarks = [], []
    removes = bool(run.config.get("seeds"))  # Peers alone lose no sample.
    for problem in names:
        part = counts[counts["problem"] == problem]
        train, test = (part[part["split"] == split].set_index("class")["count"] for split in ("train", "test"))
        fact = facts.loc[problem]
        source = "simulated" if fact["simulated"] else {True: "known files"}.get(fact["verified"], "unknown files")
        classes = ", ".join(f"{name}: {train[name]}/{test[name]}" for name in train.index)
        rows.append([problem, classes, str(train.sum()), str(test.sum()), str(fact["length"]), source])
        if removes and train.sum() < 50:
            gone = [f"{share:g} % are {num_removed(share, int(train.sum()))}" for share in run.config["shares"]]
            remarks.append(
                f"{problem} has {train.sum()} training samples, so that {', '.join(gone)}: a curve over shares is a "
                "curve over single samples, and only many seeds distinguish it from noise."
            )
    caption = (
        "The problems, with the split of the archive. The intervals of this page are over seeds: they say nothing of "
        "other training or test samples."
    )
    if removes and run.config.get("keep_classes"):
        remarks.append("The last training sample of a class is never removed: the next one in order goes in its place.")
    header = ["problem", "classes, train/test", "train", "test", "length", "source"]
    return Section("Data", [Table(caption, header, rows, text_columns=2), *map(Text, remarks)])


def _accuracies(run, values, names) -> Section:
    blocks = [tables.accuracies(values, names)]
    repeated = tables.repeated(values, names)
    if repeated:
        blocks.append(Text("Repetitions of published results: " + "; ".join(repeated) + "."))
    depths = run.table("depths", ["problem", "depth", "loss", "standard_error", "chosen"])
    if len(depths):
        blocks.append(tables.depths(depths, names))
    return Section("Accuracy beside published accuracies", blocks)


def _hypotheses(run, tested, names) -> Section:
    if tested.empty:
        return Section("The hypotheses", [Text("This run removed no samples.")])
    return Section("The hypotheses", [tables.hypotheses(tested, name) for name in names])


def _scores(run, own, names, score) -> Section:
    values = run.table("values", VALUES)
    planted = run.table("planted", ["problem", "id", "mislabelled"])
    blocks = [
        Text(
            "Attributions by DeepLIFT are complete: they sum to the probability of the sample's class minus the mean "
            "of that probability over the background. So the paper's score, their signed sum, ranks the samples of a "
            "class by how sure the network is of them, and samples of different classes also by how rarely the "
            "network says their class, whatever the attribution. Removing its top removes the easiest samples, of "
            "rare classes first."
        )
    ]
    residual, share = (
        run.results[run.results["metric"] == name]["value"].max()
        for name in ("attribution_residual", "attribution_residual_of_allowed")
    )
    if residual >= 0:
        text = f"{blocks[0].text} The largest residual of any sample here is {residual:.1e}"
        if share > 1:
            text += f", {share:.1f} times what rounding allows: these attributions are wrong"
        elif share >= 0:
            text += f"; no residual is more than {share:.2g} of what rounding allows"
        blocks[0] = Text(f"{text}.")
    gaps = tables.gaps(own)
    shared = set.intersection(*(set(part["percent"]) for _, part in gaps.groupby("score"))) if len(gaps) else set()
    if shared:
        largest = max(shared)
        caption = (
            f"Accuracy after removing {largest:g} % by each score minus that after a random removal, paired by seed, "
            "with 95 % intervals. Left of 0 the removed samples mattered more than random ones. Banzhaf values were "
            "computed on the test beats themselves: they show what knowing them would allow, and are not available "
            "beforehand."
        )
        rows = gaps[gaps["percent"] == largest]
        blocks.append(Figure("scores", caption, figures.scores_against_random(rows, names)))
    blocks += [tables.scores(values, planted, name) for name in names]
    blocks += [tables.classes_removed(_class_shares(run, name, score), name) for name in names]
    return Section("The scores", blocks)


def _attacks(run, own, names, score) -> Section:
    most = run.config.get("attacked", 0)
    return Section("Counterfactuals and hardening", [tables.attacks(own, name, score, most) for name in names])


def _pictures(run, names, score) -> Section:
    pictures, blocks = run.table("pictures", PICTURES), []
    for name in names:
        part = pictures[pictures["problem"] == name]
        if part.empty:
            continue
        explained = part[part["picture"].isin(["attribution", "counterfactual"])]
        caption = (
            f"{name}, first seed. Above, of each class the training beat with the middle score, coloured by what each "
            "of its samples contributes to the probability of its class; below, a test beat and what DeepFool made "
            "of it."
        )
        blocks.append(Figure(f"beats_{name}", caption, figures.beats(explained)))
        caption = f"{name}: the training beats with the largest and the smallest {SCORES[score]}, mean over seeds."
        ranked = part[part["picture"].isin(["most valuable", "least valuable"])]
        blocks.append(Figure(f"valuable_{name}", caption, figures.valuable(ranked)))
    return Section("Beats", blocks or [Text("This run kept no beats.")])


CURVES = {
    "full": Style("M", BLACK),
    "full+crafted": Style("M, hardened by crafted examples", BLUE),
    "full+projected_gradient": Style("M, hardened by projected gradients", GREEN),
}


def _training(run) -> Section:
    rows = run.results[run.results["epoch"].notna() & (run.results["metric"] == "loss")]
    rows = rows.drop(columns="problem").merge(run.members[["member", "problem"]], on="member")
    blocks = []
    for problem in problems(run):
        own = rows[rows["problem"] == problem]
        if own.empty:
            continue
        n = own.groupby("method")["member"].nunique().max()
        caption = (
            f"{problem}: training cross-entropy (nats) of the models that see all samples, mean over seeds (n = {n}), "
            "as they are trained, so that hardened models count their adversarial examples too."
        )
        blocks.append(Figure(f"training_{problem}", caption, training_curves(own, CURVES, {"loss": "loss"})))
    counts = arm_members(run.members, ["problem"])
    broken = counts[counts["diverged"] > 0]
    diverged = [f"{row.diverged} of {row.members} on {row.problem}" for row in broken.itertuples()]
    blocks.append(Text(f"Diverged: {', '.join(diverged)}." if diverged else "No member diverged."))
    return Section("Training", blocks)
