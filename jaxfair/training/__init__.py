"""Training as pure functions of one member: stages, the order of examples, early stopping."""

from jaxfair.training import stopping
from jaxfair.training.batches import Batches, epoch_batches, num_batches, over_batches, selected
from jaxfair.training.descent import descent
from jaxfair.training.stage import Member, Run, Stage, advance, begin, stage_key, train

__all__ = [
    "Batches",
    "Member",
    "Run",
    "Stage",
    "advance",
    "begin",
    "descent",
    "epoch_batches",
    "num_batches",
    "over_batches",
    "selected",
    "stage_key",
    "stopping",
    "train",
]
