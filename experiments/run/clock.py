"""Where a run's seconds go: to kinds of work, with compilation counted separately wherever it happens."""

import contextlib
import threading
import time
from collections.abc import Iterator

COMPILING, OTHER = "compiling", "other"
# In this order they are shown.
KINDS = ("data", COMPILING, "training", "evaluation", "references", "report", OTHER)
# jax.monitoring's names for what happens before a program runs for the first time.
_EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


class Clock:
    """Charges the time of one thread to kinds of work. What is spent compiling within a kind is charged to compiling.

    Work of other threads costs no time of its own: it is not counted.
    """

    def __init__(self):
        self._thread, self._kinds, self._seconds = threading.get_ident(), [OTHER], {}
        self._since, self._compiled = time.perf_counter(), []
        import jax

        jax.monitoring.register_event_duration_secs_listener(self._on_event)

    @contextlib.contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """The time within counts as `kind`, but for that within an inner `timed`."""
        self._charge()
        self._kinds.append(kind)
        try:
            yield
        finally:
            self._charge()
            self._kinds.pop()

    def lap(self) -> dict[str, float]:
        """Seconds by kind since the last lap."""
        self._charge()
        seconds, self._seconds = self._seconds, {}
        return {kind: round(value, 2) for kind, value in seconds.items() if value >= 0.005}

    def _charge(self) -> None:
        now = time.perf_counter()
        compiled = min(sum(end - start for start, end in self._compiled), now - self._since)
        self._seconds[COMPILING] = self._seconds.get(COMPILING, 0.0) + compiled
        kind = self._kinds[-1]
        self._seconds[kind] = self._seconds.get(kind, 0.0) + now - self._since - compiled
        self._since, self._compiled = now, []

    def _on_event(self, event: str, duration: float, **_) -> None:
        if event in _EVENTS and threading.get_ident() == self._thread:
            end = time.perf_counter()
            start = max(end - duration, self._since)
            # Programs are traced within programs: the outer one's time holds the inner one's.
            self._compiled = [earlier for earlier in self._compiled if earlier[0] < start]
            self._compiled.append((start, end))


def in_words(seconds: dict[str, float]) -> str:
    """Seconds by kind on one line, and their sum."""
    known = [*(kind for kind in KINDS if kind in seconds), *(kind for kind in seconds if kind not in KINDS)]
    parts = ", ".join(f"{kind} {seconds[kind]:.0f}" for kind in known)
    return f"{sum(seconds.values()):.0f} seconds: {parts}"
