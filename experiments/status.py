"""Lists the parts of a run: done, running (by whom, since when), ready, or waiting for which others.

python -m experiments.status --workdir=DIR [--waiting]     (--waiting: the names of those that could be computed now)
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from experiments.run import launch  # noqa: F401  # Defines --workdir.
from experiments.run.folder import read_json
from experiments.run.parts import Parts

_WAITING = flags.DEFINE_bool("waiting", False, "Print only the names of the parts that could be computed now.")


def states(workdir: pathlib.Path) -> dict[str, str]:
    """By part, in the study's order: `done`, `running: ...`, `ready`, `waiting for ...`, or `ready, as ... is damaged`.

    Raises:
      FileNotFoundError: The folder holds no run.
    """
    plan = read_json(workdir / "parts.json")
    if plan is None:
        raise FileNotFoundError(f"{workdir / 'parts.json'} is missing: name the folder of a run that was started.")
    if (workdir / "finished.json").exists():
        return {part["name"]: "done" for part in plan}
    parts, found = Parts(workdir), {}
    for part in plan:
        name, missing = part["name"], [need for need in part["needs"] if not parts.is_done(need)]
        damage = parts.damage(name) if parts.is_done(name) else None
        holder = None if parts.is_done(name) else parts.holder(name)
        if parts.is_done(name):
            found[name] = f"ready, as what it left is damaged: {damage}" if damage else "done"
        elif holder:
            found[name] = f"running: {holder}"
        else:
            found[name] = f"waiting for {', '.join(missing)}" if missing else "ready"
    return found


def main(argv: Sequence[str]) -> None:
    """Prints the states."""
    workdir = flags.FLAGS.workdir
    if len(argv) > 1 or not workdir:
        raise app.UsageError("Name the run's folder: python -m experiments.status --workdir=DIR")
    try:
        found = states(pathlib.Path(workdir))
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"experiments.status: {error}") from error
    if _WAITING.value:
        print("\n".join(name for name, state in found.items() if state.startswith("ready")))
        return
    width = max(map(len, found))
    print("\n".join(f"{name:<{width}}  {state}" for name, state in found.items()))


if __name__ == "__main__":
    app.run(main)
