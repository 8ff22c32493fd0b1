"""Training as pure functions of one member: stages, the order of examples, early stopping."""

from jaxfair.training import stopping
from jaxfair.training.batches import Batches, epoch_batches, num_batches
from jaxfair.training.stage import Member, Run, Stage, advance, begin, stage_key, train

__all__ = [
    "Batches",
    "Member",
    "Run",
    "Stage",
    "advance",
    "begin",
    "epoch_batches",
    "num_batches",
    "stage_key",
    "stopping",
    "train",
]
