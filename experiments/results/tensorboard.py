"""Training curves as TensorBoard scalars."""

import pathlib
import shutil

from experiments.results.reading import read_workdir


def write_tensorboard(workdir: pathlib.Path) -> None:
    """Writes the training curves of results.parquet as TensorBoard scalars, a run per method and member."""
    from tensorboardX import SummaryWriter

    folder = workdir / "tensorboard"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    curves = read_workdir(workdir).results
    curves = curves[curves["epoch"].notna()]
    for (method, member, seed), rows in curves.groupby(["method", "member", "seed"]):
        with SummaryWriter(str(folder / f"{method}-{member}-seed{seed}")) as writer:
            for row in rows.itertuples():
                writer.add_scalar(f"{row.stage}/{row.split}/{row.metric}", row.value, row.epoch)
