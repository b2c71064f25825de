"""Starts the process of a design, waits for its messages, and leaves nothing of it behind."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Self

import msgspec
from sessionkeeper.recording.stdio.parent_death import kill_with_parent

from .protocol import Ended, Importing, Message, Task

__all__ = ["OwnProcess", "end_all"]

_WORKER = f"{__package__}.worker"
_MARK = "SESSIONKEEPER_COMPARE"
"""A variable with a random value: what the process starts inherits it, also in another session."""
_GRACE = 3.0
"""Seconds after the time limit in which the process may still say where it hangs."""
_START = 120.0
"""Seconds to start Python and import the laboratory, before anything of the user's runs."""
_LONGEST_LINE = 64 * 1024 * 1024
_PROC = Path("/proc")

_RUNNING: set[OwnProcess] = set()

_decoder = msgspec.json.Decoder(Message)


class OwnProcess:
    """A process that does one `Task`; a context manager, which ends it."""

    def __init__(self, task: Task) -> None:
        self._timeout = task.timeout
        self._lines: list[bytes] = []
        self._rest = b""
        self._limit = _START
        self._mark = token_hex(16)
        self._folder = tempfile.mkdtemp(prefix="sessionkeeper-compare-")
        self._pipe, theirs = os.pipe()
        here = os.getcwd()
        # The laboratory is imported first: the user's folder may have a `random.py` of its own.
        others = [each for each in sys.path if each not in ("", here)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*others, here]),
            "TMPDIR": self._folder,
            _MARK: self._mark,
        }
        task = msgspec.structs.replace(task, pipe=theirs, path=tuple(sys.path))
        argument = msgspec.json.encode(task).decode()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {_WORKER} import main; main()", argument],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs],
                process_group=0,
                env=environment,
                preexec_fn=kill_with_parent(),  # noqa: PLW1509 - it only calls prctl
            )
        except BaseException:
            os.close(self._pipe)
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        finally:
            os.close(theirs)
        _RUNNING.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def receive(self) -> Message:
        """Wait for the next message, or for the end of the process."""
        deadline = time.monotonic() + self._limit
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._pipe], [], [], left)[0]:
                return Ended(f"hung for {self._timeout:g} s", hung=True)
            part = os.read(self._pipe, 65_536)
            if not part:
                return self._ended(deadline)
            *self._lines, self._rest = (self._rest + part).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                return Ended("wrote into the pipe of the comparison")
        try:
            message = _decoder.decode(self._lines.pop(0))
        except msgspec.MsgspecError:
            return Ended("wrote into the pipe of the comparison")
        if isinstance(message, Importing):
            self._limit = self._timeout + _GRACE
        return message

    def end(self) -> None:
        """Kill the process and all that it started, and remove its files. May be called twice."""
        if self not in _RUNNING:
            return
        # Not waited for yet, so the number is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pid in _pids_with(f"{_MARK}={self._mark}".encode()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _RUNNING.discard(self)
        os.close(self._pipe)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ended(self, deadline: float) -> Ended:
        """Describe how the process ended; its pipe is closed."""
        while self._exit_status() is None:
            if time.monotonic() > deadline:
                return Ended(f"hung for {self._timeout:g} s", hung=True)
            time.sleep(0.01)
        status = self._exit_status() or 0
        if status < 0:
            return Ended(f"was killed by {_signal_name(-status)}")
        return Ended(f"exited with code {status}")

    def _exit_status(self) -> int | None:
        """Return how it ended, and keep its number taken: its group is killed by it later."""
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def end_all() -> None:
    """End every process that runs now, as a handler of Ctrl-C must."""
    for process in list(_RUNNING):
        process.end()


def _pids_with(variable: bytes) -> list[int]:
    """Return the processes that were started with a variable; none where there is no /proc."""
    found: list[int] = []
    with suppress(OSError):
        for folder in _PROC.iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    if variable in (folder / "environ").read_bytes().split(b"\0"):
                        found.append(int(folder.name))
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name
