"""The one form in which every source of intensive care data is read: stays with measurements at any time."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Stays:
    """Stays in an intensive care unit: a long table of measurements, and what is known of each stay as a whole.

    What is not known is NaN. Measurements are in order of their stays, and within a stay of time.

    Attributes:
      variables: Names of what was measured, which `variable` counts from 0.
      stay: `[measurement]`, whose it is: a place in `ids`.
      hours: `[measurement]`, since admission to the unit.
      variable: `[measurement]`.
      value: `[measurement]`, finite, in the source's units.
      static: By name, `[stay]`: age, sex and what else is known at admission.
      outcomes: By name, `[stay]`: what became of the patient, and whatever else is known only later. Never an input.
      subject: `[stay]`, whose stay it is.
      ids: `[stay]`, unique, to find the stay again in its source.
      attributes: By name, `[stay]`: who the patient is and has been, to compare groups by. A diagnosis may be made late
        in a stay, so none of these is an input.
      counts: By what, how many rows of the source were not taken.
    """

    variables: tuple[str, ...]
    stay: np.ndarray
    hours: np.ndarray
    variable: np.ndarray
    value: np.ndarray
    static: Mapping[str, np.ndarray]
    outcomes: Mapping[str, np.ndarray]
    subject: np.ndarray
    ids: np.ndarray
    attributes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        columns = {"hours": self.hours, "variable": self.variable, "value": self.value}
        of_stays = {f"static['{name}']": values for name, values in self.static.items()}
        of_stays |= {f"attributes['{name}']": values for name, values in self.attributes.items()}
        of_stays |= {f"outcomes['{name}']": values for name, values in self.outcomes.items()}
        for named, size, what in (
            (columns, len(self.stay), "measurements"),
            ({"subject": self.subject, **of_stays}, len(self.ids), "stays"),
        ):
            for name, values in named.items():
                if len(values) != size:
                    raise ValueError(f"Stays: {name} has {len(values)} entries, but there are {size} {what}.")
        ids, times = np.unique(self.ids, return_counts=True)
        if len(ids) < len(self.ids):
            raise ValueError(f"Stays: ids must be unique, but {ids[times.argmax()]} occurs {times.max()} times.")
        if not len(self.stay):
            return
        for name, codes, limit in (
            ("stay", self.stay, len(self.ids)),
            ("variable", self.variable, len(self.variables)),
        ):
            if codes.min() < 0 or codes.max() >= limit:
                raise ValueError(f"Stays: {name} must be from 0 to {limit - 1}, but is {codes.min()} to {codes.max()}.")
        steps = np.diff(self.stay)
        back = (steps < 0) | ((steps == 0) & (np.diff(self.hours) < 0))
        if back.any():
            row = back.argmax()
            raise ValueError(
                f"Stays: measurements must be in order of stay and, within a stay, of time, but {self._row(row)} comes"
                f" before {self._row(row + 1)}."
            )
        infinite = ~(np.isfinite(self.value) & np.isfinite(self.hours))
        if infinite.any():
            row = infinite.argmax()
            raise ValueError(
                f"Stays: {self._row(row)} has the value {self.value[row]}, and value and hour must be finite; leave out"
                " what was not measured."
            )

    def _row(self, row):
        """How an error names a measurement."""
        name, stay = self.variables[self.variable[row]], self.ids[self.stay[row]]
        return f"{name} at hour {self.hours[row]:g} of stay {stay}"

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: np.ndarray) -> "Stays":
        """The stays at `places` (integers, each once, or a boolean mask over stays), in that order."""
        places = np.arange(len(self))[places]
        taken, times = np.unique(places, return_counts=True)
        if len(taken) < len(places):
            twice = self.ids[taken[times.argmax()]]
            raise ValueError(f"Stays: a stay can be taken once only, but {twice} is asked for {times.max()} times.")
        starts = np.searchsorted(self.stay, places, side="left")
        lengths = np.searchsorted(self.stay, places, side="right") - starts
        # Row r of the new table is row r of the old one, moved by how much its stay has moved.
        moved = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) if len(places) else []
        rows = np.arange(lengths.sum()) + np.asarray(moved, dtype=int)
        return Stays(
            variables=self.variables,
            stay=np.repeat(np.arange(len(places)), lengths),
            hours=self.hours[rows],
            variable=self.variable[rows],
            value=self.value[rows],
            static={name: values[places] for name, values in self.static.items()},
            outcomes={name: values[places] for name, values in self.outcomes.items()},
            attributes={name: values[places] for name, values in self.attributes.items()},
            subject=self.subject[places],
            ids=self.ids[places],
            counts=self.counts,
        )
