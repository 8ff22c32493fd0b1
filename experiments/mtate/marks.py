"""What the fairness study's figures share: how a method is marked, and how it is said that something is missing."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.mtate.styles import style
from experiments.report import style as palette


def mark(name: str, size: float) -> dict[str, Any]:
    """How a method's marker is drawn: MTATE's is larger, and one that is nothing but strokes has broad ones."""
    drawn = style(name)
    strokes = drawn.marker in {"1", "2", "3", "4", "_", "|"}
    size *= 1.35 if name == "mtate" else 1.6 if strokes else 1
    look = {"marker": drawn.marker, "color": drawn.color, "ls": ""}
    return look | {"markersize": size, "markeredgewidth": 1.8 if strokes else 0.5}


def nothing(axes: Axes, text: str) -> None:
    """Says in the middle of a panel what it lacks."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=palette.ALARM)
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])


def crosses(axes: Axes, at: np.ndarray) -> bool:
    """A cross on the axis for each value that is not defined; whether there is one."""
    if len(at):
        look = {"marker": "x", "ls": "", "color": palette.ALARM, "markersize": 4.5, "zorder": 4, "gid": "undefined"}
        axes.plot(at, np.full(len(at), 0.03), transform=axes.get_xaxis_transform(), **look)
    return len(at) > 0


def undefined_handle() -> Line2D:
    """Such a cross in a legend."""
    return Line2D([], [], color=palette.ALARM, marker="x", ls="", label="undefined")
