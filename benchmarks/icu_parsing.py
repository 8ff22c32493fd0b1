"""How long a set of the Challenge 2012 takes from its texts to arrays, against a pandas loop over the files.

    python -m benchmarks.icu_parsing --data_dir=DIR

DIR is the Challenge's folder, or one that holds it as `challenge-2012`. Ours is the reader without its cache, with all
of its checks; the loop is what one writes without them: `pd.read_csv` of each file, the time split, descriptors and
unknown values taken out, tables joined. Both take turns, and must give the same stays to the last bit. All files are
read once before the first turn, so that neither waits for the disk. Both run on one core.
"""

import pathlib
import time

import numpy as np
import pandas as pd
from absl import app, flags

from data_pipelines.icu import challenge2012
from data_pipelines.icu.challenge2012.files import OUTCOMES, STATIC

_DATA_DIR = flags.DEFINE_string("data_dir", None, "The Challenge's folder, or the folder above it.", required=True)
_SET = flags.DEFINE_enum("set", "a", challenge2012.SETS, "Which set.")
_TURNS = flags.DEFINE_integer("turns", 3, "How often both are measured.", lower_bound=1)


def loop(folder: pathlib.Path, name: str) -> dict[str, np.ndarray]:
    """Arrays by name, as of `Stays`, a file at a time."""
    outcomes = pd.read_csv(folder / f"Outcomes-{name}.txt").sort_values("RecordID")
    places = {variable: place for place, variable in enumerate(challenge2012.VARIABLES)}
    static, tables = {name: [] for name in STATIC}, []
    for stay, record in enumerate(outcomes["RecordID"]):
        table = pd.read_csv(folder / f"set-{name}" / f"{record}.txt")
        clock = table["Time"].str.split(":", expand=True).astype(int)
        table["minutes"] = 60 * clock[0] + clock[1]
        start = table[table["minutes"] == 0].drop_duplicates("Parameter").set_index("Parameter")["Value"]
        for key, parameter in STATIC.items():
            static[key].append(start.get(parameter, np.nan))
        table = table[table["Parameter"].isin(places) & (table["Value"] != -1)]
        tables.append(table.assign(stay=stay))
    table = pd.concat(tables)
    outcomes = outcomes.where(outcomes >= 0)
    found = {
        "stay": table["stay"].to_numpy(),
        "hours": (table["minutes"] / 60).to_numpy(np.float32),
        "variable": table["Parameter"].map(places).to_numpy(np.uint8),
        "value": table["Value"].to_numpy(np.float32),
        "ids": outcomes["RecordID"].to_numpy(int),
    }
    for key, values in static.items():
        values = np.array(values, np.float32)
        found[f"static {key}"] = np.where(values == -1, np.nan, values)
    return found | {f"outcome {key}": outcomes[column].to_numpy(np.float32) for key, column in OUTCOMES.items()}


def ours(folder: pathlib.Path, name: str) -> dict[str, np.ndarray]:
    """The same of the reader."""
    stays = challenge2012.load(folder, name)
    found = {key: getattr(stays, key) for key in ("stay", "hours", "variable", "value", "ids")}
    found |= {f"static {key}": values for key, values in stays.static.items()}
    return found | {f"outcome {key}": values for key, values in stays.outcomes.items()}


def main(_) -> None:
    folder = pathlib.Path(_DATA_DIR.value)
    if (folder / "challenge-2012").is_dir():
        folder = folder / "challenge-2012"
    files = sorted((folder / f"set-{_SET.value}").glob("*.txt"))
    size = sum(len(path.read_bytes()) for path in files)
    turns = []
    for turn in range(_TURNS.value):
        seconds, results = [], []
        for read in (ours, loop):
            clock, processor = time.perf_counter(), time.process_time()
            results.append(read(folder, _SET.value))
            seconds.append((time.perf_counter() - clock, time.process_time() - processor))
        own, other = results
        assert own.keys() == other.keys()
        for name, values in own.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)
        turns.append(seconds)
        print(
            f"turn {turn}: ours {seconds[0][0]:.2f} s ({seconds[0][1]:.2f} of the processor), "
            f"loop {seconds[1][0]:.2f} ({seconds[1][1]:.2f})",
            flush=True,
        )
    turns = np.array(turns)  # [turn, ours or loop, by the clock or of the processor]
    medians, ratios = np.median(turns, axis=0), np.median(turns[:, 1] / turns[:, 0], axis=0)
    print(
        f"\nset {_SET.value}: {len(files):,} files, {size / 1e6:.1f} MB, {len(results[0]['value']):,} measurements of "
        f"{len(challenge2012.VARIABLES)} variables, equal to the last bit; medians of {len(turns)} turns\n\n"
        "| | seconds by the clock | of the processor | MB a second of the processor |\n|---|---|---|---|"
    )
    for name, (clock, processor) in zip(("ours, with all checks", "pandas, file by file"), medians, strict=True):
        print(f"| {name} | {clock:.2f} | {processor:.2f} | {size / processor / 1e6:.1f} |")
    print(f"\nours is {ratios[0]:.1f} times as fast by the clock, {ratios[1]:.1f} by the processor")


if __name__ == "__main__":
    app.run(main)
