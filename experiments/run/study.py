"""What a study is: a list of named parts, known from the configuration alone, and the data they compute on."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.run.checks import Rules

if TYPE_CHECKING:  # It takes half a second to import, and a refused configuration should not.
    import pandas as pd


class Output(NamedTuple):
    """What a part leaves.

    Attributes:
      tables: By name; the run's table of a name is that of all parts, joined in their order. `results` and `members`
        are those of the contract (`experiments.results`); a part numbers its own members from 0.
      arrays: Nested dicts of arrays, for later parts only.
    """

    tables: Mapping[str, "pd.DataFrame"] = {}
    arrays: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of a study, computed once, whole or not at all.

    Attributes:
      name: Also the name of its folder.
      needs: The names of earlier parts.
      compute: `(run, inputs) -> Output`: a function of `run.config`, `run.data` and `inputs`, which holds by name what
        the parts it needs have left (`parts.Stored`). Random numbers come from the configuration's seeds, so that two
        attempts give the same.
    """

    name: str
    needs: Sequence[str]
    compute: Callable[[Any, Mapping[str, Any]], Output]


@dataclasses.dataclass(frozen=True)
class Study:
    """A study: what `launch.main` starts.

    Attributes:
      name: The short name, used in every folder.
      parts: `config -> [Part]`, in the order in which one process computes them: a part comes after those it needs.
      load: `config -> data`; what cannot be trained on raises here, before anything is computed.
      units: The unit of a metric by its name, or by a word of it; a metric that neither names is a fraction.
      sections: `results.reading.Run -> [Section]`, what the page says; a plain overview if None.
      title: The page's heading.
      lead: One sentence under the heading.
      summary: `results.reading.Run -> text`, printed at the end; how many members ended how if None.
      prepare: `run -> iterator`, each step of which compiles a program that a part will need. It runs in a thread
        beside the parts; a program that it has not compiled yet is compiled where it is needed.
      rules: What its configuration may be. Of a study that is started by its name, `RULES` of its configuration's file
        are looked at, before the study is imported.
    """

    name: str
    parts: Callable[[Any], list[Part]]
    load: Callable[[Any], Any]
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sections: Callable[[Any], Sequence[Any]] | None = None
    title: str = ""
    lead: str = ""
    summary: Callable[[Any], str] | None = None
    prepare: Callable[[Any], Iterator[None]] | None = None
    rules: Rules = dataclasses.field(default_factory=Rules)

    def checked_parts(self, config: Any) -> list[Part]:
        """The parts, each after those it needs and has a name of its own."""
        parts, known = self.parts(config), set()
        for part in parts:
            missing = [need for need in part.needs if need not in known]
            if missing:
                raise ValueError(f"{self.name}: part {part.name!r} needs {missing[0]!r}, which is not before it.")
            if part.name in known or not part.name or part.name != part.name.strip("./").replace("/", ""):
                raise ValueError(f"{self.name}: {part.name!r} is no name for a part: it names a folder, once.")
            known.add(part.name)
        return parts
