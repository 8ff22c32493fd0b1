"""The Shapley study's page: both hypotheses as stated and against chance, and what the score is made of."""

from experiments.report.blocks import Figure, Section, Table, Text
from experiments.report.cells import with_intervals
from experiments.report.curves import training_curves
from experiments.report.style import BLACK, BLUE, GREEN, Style
from experiments.results.reading import Run
from experiments.results.summaries import arm_members
from experiments.shapley import figures, findings, hypotheses, published, tables
from experiments.shapley.styles import SCORES, arm_values, base_score, of_problems, problems, study
from jaxfair.attribution.removal import num_removed

TITLE = "Are the training samples with high attribution scores the ones that a classifier of beats needs?"
LEAD = (
    "Ukil, Jara and Marin, Explainability by Shapley attribution for electrocardiogram-based algorithmic diagnosis "
    "under subtractive counterfactual reasoning setup, EXPLIMED 2024, run again with the controls that it lacks: "
    "random removal, removal of the least important samples, and counterfactuals of a third model."
)
FACTS = ["problem", "length", "padded", "filled", "verified", "simulated"]
VALUES = ["problem", "seed", "id", "class", "score", "value"]
PICTURES = ["problem", "picture", "id", "class", "time", "value"]


def sections(run: Run) -> list[Section]:
    """What the page says, section by section."""
    values, names, score = arm_values(run), problems(run), base_score(run)
    failed = findings.untrained(run, values, names)
    if study(values).empty:
        found = [Section("What this page says", [Text(" ".join(failed.values()))])] if failed else []
        return [*found, _accuracies(run, values, names), _data(run, names)]
    learned = [name for name in names if name not in failed]
    own = of_problems(study(values), learned)
    tested = hypotheses.test_hypotheses(own, score)
    conclusions = [
        _hypotheses(run, tested, learned),
        _scores(run, own, learned, score),
        _attacks(run, own, learned, score),
    ]
    return [
        findings.section(run, own, tested, learned, score, failed),
        _data(run, names),
        _accuracies(run, values, names),
        *(conclusions if learned else []),
        _pictures(run, names, score),
        _training(run),
    ]


def _data(run, names) -> Section:
    counts, facts = run.table("counts", findings.COUNTS), run.table("problems", FACTS).set_index("problem")
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
    facts = run.table("problems", FACTS).set_index("problem")
    unknown = facts["verified"].map({True: False}).fillna(value=True)
    others = [name for name in names if name in published.PROBLEMS and unknown[name]]
    if others:
        blocks.append(
            Text(
                f"The files of {', '.join(others)} are not, byte by byte, those of the UCR archive of 2018. The "
                "published accuracies are of the archive's: they compare with ours only if the series are the same."
            )
        )
    repeated = tables.repeated(values, names)
    if repeated:
        blocks.append(Text("Repetitions of published results: " + "; ".join(repeated) + "."))
    depths = run.table("depths", ["problem", "depth", "loss", "standard_error", "chosen", "steps", "unexplained"])
    if len(depths):
        blocks.append(tables.depths(depths, names))
        short = depths[depths["chosen"] & (depths["unexplained"] > run.config.get("converged", 1.0))]
        blocks += [
            Text(
                f"On {row.problem} training did not converge: after {row.steps} steps, the most that were allowed, the "
                f"training loss of the chosen depth was still {100 * row.unexplained:.0f} % of the entropy of the "
                "classes."
            )
            for row in short.itertuples()
        ]
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
            f"{with_intervals(gaps['n'])}, cut where they leave the frame. Left of 0 the removed samples mattered more "
            "than random ones. Banzhaf values were computed on the test beats themselves: they show what knowing them "
            "would allow, and are not available beforehand."
        )
        rows = gaps[gaps["percent"] == largest]
        blocks.append(Figure("scores", caption, figures.scores_against_random(rows, names)))
    blocks += [tables.scores(values, planted, name) for name in names]
    blocks += [tables.classes_removed(findings.class_shares(run, name, score), name) for name in names]
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
