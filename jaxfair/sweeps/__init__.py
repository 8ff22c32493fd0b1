"""Many members side by side: grids, the engine that trains them in one program, checkpoints, tables."""

from jaxfair.sweeps.applied import over_all, prepare_over_all
from jaxfair.sweeps.checkpoint import CheckpointError
from jaxfair.sweeps.engine import Progress, Result, prepare, sweep
from jaxfair.sweeps.members import Grid, make_members, product, zip_
from jaxfair.sweeps.placement import Placement, default_placement
from jaxfair.sweeps.summary import logs_table, members_table
from jaxfair.sweeps.width import tune_width

__all__ = [
    "CheckpointError",
    "Grid",
    "Placement",
    "Progress",
    "Result",
    "default_placement",
    "logs_table",
    "make_members",
    "members_table",
    "over_all",
    "prepare",
    "prepare_over_all",
    "product",
    "sweep",
    "tune_width",
    "zip_",
]
