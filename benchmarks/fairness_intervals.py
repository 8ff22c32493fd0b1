"""Bootstrap intervals of fairness gaps: the time of ours against fairlearn's.

    taskset -c 0 python -m benchmarks.fairness_intervals                       # some minutes
    taskset -c 0 python -m benchmarks.fairness_intervals --their_models=1

95 % intervals of the gaps in selection rate, TPR and FPR from 1,000 resamples of 800 patients, for 8 domains and 10
seeds: ours in one compiled call of `gap_intervals`, theirs by `MetricFrame(..., n_boot=1000)` a model. Theirs takes the
same time for each model, so a part of them is measured and the rest extrapolated.

`taskset` gives both one and the same core. The extra `bench` installs fairlearn. Whether both give the same numbers:
`benchmarks.fairness_fairlearn`.
"""

import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from absl import app, flags

from jaxfair.metrics import fairness

try:
    from fairlearn import metrics as theirs
except ModuleNotFoundError:
    raise SystemExit(
        "benchmarks.fairness_intervals compares with fairlearn, which is not installed: "
        'pip install -c constraints.txt -e ".[bench]".'
    ) from None

_TURNS = flags.DEFINE_integer("turns", 3, "How often both are measured.", lower_bound=1)
_THEIRS = flags.DEFINE_integer("their_models", 2, "Models that fairlearn measures in a turn, of all.", lower_bound=1)
_RESAMPLES = flags.DEFINE_integer("resamples", 1000, "Bootstrap resamples.", lower_bound=2)

DOMAINS, SEEDS, PATIENTS = 8, 10, 800


def main(_) -> None:
    rng = np.random.default_rng(0)
    # Domains have patients of their own; resamples are by place, which all domains share.
    targets = (rng.random((DOMAINS, 1, PATIENTS)) < rng.uniform(0.1, 0.5, (DOMAINS, 1, 1))).astype(np.int32)
    groups = (rng.random((DOMAINS, 1, PATIENTS)) < 0.4).astype(np.int32)
    logits = rng.normal(2 * targets - 1 + 0.3 * groups, 1, (DOMAINS, SEEDS, PATIENTS))
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate")
    gaps = [fairness.Gap((rate,)) for rate in rates]
    options = {"num_groups": 2, "num_subjects": PATIENTS, "gaps": gaps, "num_resamples": _RESAMPLES.value}

    def ours(seed):
        interval = fairness.gap_intervals(
            scores, targets, groups, np.arange(PATIENTS), key=jax.random.key(seed), **options
        )
        return jax.device_get(interval)

    def of_fairlearn(domain, seed):
        frame = theirs.MetricFrame(
            metrics={rate: getattr(theirs, rate) for rate in rates},
            y_true=targets[domain, 0],
            y_pred=(scores[domain, seed] >= 0.5).astype(int),
            sensitive_features=groups[domain, 0],
            n_boot=_RESAMPLES.value,
            ci_quantiles=[0.025, 0.975],
            random_state=seed,
        )
        low, high = (ends.to_numpy(float) for ends in frame.difference_ci())
        return frame.difference().to_numpy(float), low, high

    number, intervals, first = DOMAINS * SEEDS, *_timed(lambda: ours(0))
    turns, apart, ends = [], 0.0, []
    for turn in range(_TURNS.value):
        _, own = _timed(lambda turn=turn: ours(turn))
        models = [((turn * _THEIRS.value + place) % DOMAINS, turn % SEEDS) for place in range(_THEIRS.value)]
        answers, other = _timed(lambda models=models: [of_fairlearn(*model) for model in models])
        other = other / len(models) * number
        turns.append((own, other))
        for (domain, seed), (value, low, high) in zip(models, answers, strict=True):
            apart = max(apart, np.abs(value - intervals.estimate[:, domain, seed]).max())
            ends += [low - intervals.low[:, domain, seed], high - intervals.high[:, domain, seed]]
        print(
            f"turn {turn}: ours {own[0]:.2f} s ({own[1]:.2f} of the processor), fairlearn {other[0]:.0f} "
            f"({other[1]:.0f}), ratio {other[0] / own[0]:.0f} ({other[1] / own[1]:.0f})",
            flush=True,
        )
    turns = np.array(turns)  # [turn, ours or fairlearn, by the clock or of the processor]
    (own, other), ratio = np.median(turns, axis=0), np.median(turns[:, 1] / turns[:, 0], axis=0)
    print(
        f"\n{DOMAINS} domains x {SEEDS} seeds, {PATIENTS} patients each, {_RESAMPLES.value:,} resamples, 3 gaps; "
        f"medians of {len(turns)} turns\nestimates differ by {apart:.1e} at most, ends of intervals (other draws) by "
        f"{np.mean(np.abs(ends)):.4f} on average\nfairlearn: {len(turns) * _THEIRS.value} models measured, "
        f"{_THEIRS.value} a turn, and extrapolated to {number}\n\n"
        f"| | seconds for {number} models | of the processor | times as fast as fairlearn | by the processor |\n"
        "|---|---|---|---|---|"
    )
    for name, seconds, times in (
        ("`gap_intervals`, compiled", own, ratio),
        ("`gap_intervals`, first call with compilation", first, other / first),
        ("`MetricFrame` with `n_boot`, extrapolated", other, other / other),
    ):
        print(f"| {name} | {seconds[0]:,.2f} | {seconds[1]:,.2f} | {times[0]:,.0f} | {times[1]:,.0f} |")


def _timed(run):
    """The result, and seconds by the clock and of the processor, which other work on the machine hardly touches."""
    clock, processor = time.perf_counter(), time.process_time()
    result = run()
    return result, np.array([time.perf_counter() - clock, time.process_time() - processor])


if __name__ == "__main__":
    app.run(main)
