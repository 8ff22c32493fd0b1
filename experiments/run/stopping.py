"""Leaves when the process is asked to: by Ctrl-C (SIGINT), a scheduler (SIGTERM), or a terminal that goes (SIGHUP).

What a run has on disk is whole at any time, so it may end anywhere; a segment of training that runs and a part that is
being written are worth a few seconds. Two threads see to it:

* The main thread, where Python runs signal handlers, raises `Stopped`, at once or at the end of what is `held`.
* A second one ends the process if that takes too long: no handler runs while the main thread is within XLA, which may
  compile for a minute, or while it waits at its end for threads that do.
"""

import contextlib
import json
import multiprocessing
import os
import pathlib
import select
import signal
import threading
import time
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 3.0  # Seconds to leave.
HELD = 8.0  # Seconds for what is held, and to leave: schedulers wait for ten at least.


class Stopped(BaseException):
    """The process was asked to leave. No error: what handles those lets it pass, as it does KeyboardInterrupt."""


class Stop:
    """Whether the process was asked to leave, and how it does.

    Attributes:
      workdir: The run's folder, once there is one: what it holds is said at the end.
    """

    def __init__(self, name: str):
        """`name` begins what is said."""
        self.workdir: pathlib.Path | None = None
        self._name, self._signal, self._held, self._leaving = name, None, 0, False
        self._saying = threading.Lock()

    def install(self) -> None:
        """Takes the signals over, but for those that the process was started to ignore (nohup); in the main thread."""
        # The byte that the C handler writes here reaches the other thread whatever the main one does.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        threading.Thread(target=self._watch, args=(reading,), daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether the process was asked to leave."""
        return self._signal is not None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lets what is within come to its end, or to `leave_if_asked`, if that takes seconds."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self.leave_if_asked()

    def leave_if_asked(self) -> None:
        """Raises `Stopped` if the process was asked to leave: here nothing would be lost."""
        if self.asked and not self._leaving:
            self._leaving = True
            raise Stopped

    def ended(self) -> int:
        """Says what is left and how to go on, once, and gives the exit code: 128 and the signal's number."""
        with self._saying:
            if self._name:
                how = {signal.SIGINT: "interrupted by Ctrl-C"}.get(
                    self._signal, f"stopped by {signal.Signals(self._signal).name}"
                )
                _print(f"{self._name}: {how}; {_what_is_there(self.workdir)}")
                self._name = ""
        return 128 + self._signal

    def _on_signal(self, number, frame):
        if self._signal is None:
            self._signal = number
        if not self._held:
            self.leave_if_asked()

    def _watch(self, reading):
        number = os.read(reading, 1)[0]
        if self._signal is None:
            self._signal = number
        now = time.monotonic()
        end = now + (HELD if self._held else GRACE)
        if self._held:
            _print(f"{self._name}: saving what is complete, at most {HELD:g} seconds; Ctrl-C leaves at once.")
        while (now := time.monotonic()) < end:
            if self._leaving or not self._held:
                end = min(end, now + GRACE)
            if select.select([reading], [], [], 0.05)[0] and signal.SIGINT in os.read(reading, 64):
                break
        # Not by an exception: the main thread may be where none reaches it for a minute.
        code = self.ended()
        for worker in multiprocessing.active_children():
            worker.kill()
        os._exit(code)


def _print(sentence):
    # Straight to the file: whoever holds Python's lock of the stream may be who does not come to an end.
    with contextlib.suppress(OSError):
        os.write(2, f"\n{sentence}\n".encode())


def _what_is_there(workdir):
    """What a run's folder holds, in words, and how to go on."""
    try:
        if (workdir / "finished.json").exists():
            return f"the run in {workdir} is complete."
        plan = [part["name"] for part in json.loads((workdir / "parts.json").read_text())]
        done = sum((workdir / "parts" / name).is_dir() for name in plan)
        saved = [path.stat().st_mtime for path in (workdir / "checkpoints").rglob("*") if path.name.isdecimal()]
    except (OSError, ValueError, TypeError):
        return "nothing was computed yet; the same command starts again."
    last = f", the last checkpoint of {time.strftime('%H:%M:%S', time.localtime(max(saved)))}" if saved else ""
    return f"{workdir} holds {done} of {len(plan)} parts{last}; the same command again goes on from there."
