"""Early stopping in plain Python."""

import numpy as np


def follow(curve, patience, warm_up):
    """How many epochs of a curve are run, and the best of them (−1 if none)."""
    best, best_epoch, waited = np.inf, -1, 0
    for epoch, value in enumerate(curve):
        if epoch >= warm_up:
            if value < best:
                best, best_epoch, waited = value, epoch, 0
            else:
                waited += 1
        if waited >= patience:
            return epoch + 1, best_epoch
    return len(curve), best_epoch
