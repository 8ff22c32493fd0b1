"""The look of every figure: one style, one palette."""

import zlib
from typing import NamedTuple

STYLE = {
    "font.family": "DejaVu Sans",  # the one family that matplotlib brings along
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#333a45",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8ec",
    "grid.linewidth": 0.6,
    "xtick.color": "#555c68",
    "ytick.color": "#555c68",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.dpi": 170,
    "savefig.facecolor": "white",
}

# Okabe and Ito's colours, which stay apart for the colour-blind, and greys for what is no arm of its own.
BLACK, GREY, LIGHT_GREY = "#2b2b2b", "#7a7a7a", "#9a9a9a"
BLUE, VERMILION, GREEN, SKY, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00", "#CC79A7"
ALARM, INK, FAINT = "#a63a1c", "#1f2733", "#555c68"


class Style(NamedTuple):
    """How an arm is called and drawn, and which arm is its control.

    Attributes:
      label: Its name on the page.
      color: In every figure.
      marker: In every figure.
      control: The method it is compared with; "" for none.
      alpha: Of a swept coefficient, the value that figures of one line a method show.
    """

    label: str
    color: str
    marker: str = "o"
    control: str = ""
    alpha: float = float("nan")


def own_style(method: str) -> Style:
    """The style of a method that a study does not name: it keeps its own name, and the same colour everywhere."""
    colors = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
    return Style(str(method), colors[zlib.crc32(str(method).encode()) % len(colors)], ".")
