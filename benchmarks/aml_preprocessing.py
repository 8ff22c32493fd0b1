"""How long PTB-XL takes from its folder to average beats, the first time and from the cache.

    python -m benchmarks.aml_preprocessing --data_dir=DIR

DIR is PTB-XL's folder, or one that holds it as `ptb-xl`. The cache lies in a temporary folder, so that the first time
is a first time; what the machine's file cache already holds is not emptied.
"""

import pathlib
import tempfile
import time

from absl import app, flags

from data_pipelines import ptbxl

_DATA_DIR = flags.DEFINE_string("data_dir", None, "PTB-XL's folder, or the folder above it.", required=True)
_PROCESSES = flags.DEFINE_integer("processes", None, "Worker processes; as many as cores if not given.")


def main(_):
    folder = pathlib.Path(_DATA_DIR.value)
    if (folder / "ptb-xl").is_dir():
        folder = folder / "ptb-xl"
    with tempfile.TemporaryDirectory() as cache_dir:
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            cohort = ptbxl.load(folder, cache_dir=cache_dir, processes=_PROCESSES.value)
            seconds.append(time.perf_counter() - start)
    records = len(cohort.dataset) + len(cohort.rejected)
    first, cached = seconds
    print(f"records                      {records}")
    print(f"average beats                {len(cohort.dataset)} ({len(cohort.dataset) / records:.1%})")
    print(f"first time                   {first:.1f} s, {records / first:.0f} records/s")
    print(f"from the cache               {cached:.1f} s, {records / cached:.0f} records/s")
    print(f"first time / from the cache  {first / cached:.1f}")


if __name__ == "__main__":
    app.run(main)
