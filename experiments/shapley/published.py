"""Accuracies that others published on the archive's default splits, in percent, with their source."""

from typing import NamedTuple

PROBLEMS = ("ECG200", "ECG5000", "ECGFiveDays", "TwoLeadECG")


class Published(NamedTuple):
    """A row of the table of peers.

    Attributes:
      method: What it is.
      source: Whose result file or paper, and of how many runs.
      accuracy: By problem, the mean.
      deviation: By problem, the standard deviation over runs, where it is published.
    """

    method: str
    source: str
    accuracy: dict[str, float]
    deviation: dict[str, float]


def _row(method, source, accuracy, deviation=None):
    known = {name: value for name, value in zip(PROBLEMS, accuracy, strict=True) if value is not None}
    spread = {} if deviation is None else dict(zip(PROBLEMS, deviation, strict=True))
    return Published(method, source, known, spread)


_ARCHIVE = "tsml-eval's reference results, one run"
_FAWAZ = "Ismail Fawaz et al. (dl-4-tsc), 5 runs"

# The peers that the paper names, then those that a reader of today would ask for. The paper's own table is lost in
# its text, and no accuracy of Blend-Res2Net on these problems is published elsewhere.
PEERS = (
    _row("1-NN DTW", _ARCHIVE, (77.00, 92.44, 76.77, 90.43)),
    _row("COTE", "Wang et al. 2017, quoted", (None, None, 100.0, 98.5)),
    _row("HIVE-COTE 1", _ARCHIVE, (87.00, 94.64, 100.00, 99.47)),
    _row("ResNet", _FAWAZ, (87.4, 93.5, 96.6, 100.0), (1.6, 0.4, 3.9, 0.0)),
    _row("ResNet", "Wang et al. 2017, best of runs", (87.0, 93.1, 95.5, 100.0)),
    _row("TS-CHIEF", _ARCHIVE, (84.00, 94.56, 100.00, 99.39)),
    _row("Proximity Forest", "Lucas et al. 2019, 10 runs", (90.9, 93.65, 84.92, 98.86), (1.2, 0.11, 1.11, 0.27)),
    _row("Catch22", _ARCHIVE, (84.00, 93.93, 77.24, 83.23)),
    _row("FCN", _FAWAZ, (88.8, 94.0, 98.5, 99.9), (0.8, 0.1, 0.2, 0.0)),
    _row("InceptionTime", _ARCHIVE, (91.00, 94.16, 100.00, 99.56)),
    _row("ROCKET", "Dempster et al. 2020, 10 runs", (90.6, 94.72, 100.0, 99.91), (0.5, 0.05, 0.0, 0.0)),
    _row("HIVE-COTE 2", _ARCHIVE, (86.00, 94.69, 100.00, 99.91)),
)
# Which of our own peers repeats which of these.
REPEATED = {"resnet": ("ResNet", _FAWAZ), "fcn": ("FCN", _FAWAZ), "nearest_neighbour_dtw": ("1-NN DTW", _ARCHIVE)}
