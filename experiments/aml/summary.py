"""What the age study prints at its end."""

import pandas as pd

from experiments.report.cells import DASH
from experiments.results.reading import Run
from jaxfair.metrics import summarize


def summary(run: Run) -> str:
    """Mean and standard deviation over members of the main metrics by method, as text."""
    shown = ["accuracy", "roc_auc", "age_pearson", "probe_ridge_r2_healthy", "score_age_pearson_healthy"]
    final = run.results[run.results["epoch"].isna() & run.results["metric"].isin(shown)]
    if "alpha" in run.members:
        final = final.merge(run.members[["member", "alpha"]].dropna(), on="member", how="left")
        alphas = final["alpha"].map(lambda alpha: "" if pd.isna(alpha) else f" {alpha:g}")
        final = final.assign(method=final["method"] + alphas)
    cells = summarize(final, ["method", "metric"]).set_index(["method", "metric"])
    text = [
        DASH if not row["n"] else f"{row['mean']:.3f}" + (f" ± {row['sd']:.3f}" if row["n"] > 1 else "")
        for _, row in cells.iterrows()
    ]
    wide = pd.Series(text, cells.index).unstack("metric", sort=False).reindex(columns=shown).fillna(DASH)
    return "mean ± standard deviation over members\n" + wide.to_string()
