"""Starts the worker processes of one subject, sends commands, and collects reports."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TypeVar

import msgspec

from .protocol import (
    Close,
    DoneReport,
    FailureReport,
    Grow,
    ProgressReport,
    Start,
    Stop,
    WorkerCommand,
    WorkerReport,
)
from .results import BenchResult

__all__ = ["MeasurementFailed", "WorkerPool"]

R = TypeVar("R")

_LOOK = 0.1
"""Seconds between two checks for a stop."""
_PATIENCE = 20.0
"""Seconds for a stopped command to report, and for a process to end."""
_TIDYING = 60.0
"""The same for commands that delete sessions at their end."""
_HURRY = 2.0
"""The same after a stop."""


class MeasurementFailed(Exception):
    """A command failed in a worker; the text is one line."""

    partial_result: BenchResult | None = None
    """The results so far, marked as interrupted; None when there are none."""


class WorkerPool:
    """Worker processes for one target. `close`, or the end of the context, ends all of them."""

    def __init__(
        self, name: str, start: Start, members: int, *, run: str, stopping: Callable[[], bool]
    ) -> None:
        self._name, self._stopping = name, stopping
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), os.getcwd()]),
            "SESSIONKEEPER_BENCH_RUN": run,
        }
        self._members: list[subprocess.Popen[bytes]] = []
        self._left: dict[int, bytes] = {}
        self._stop_sent = False
        for _ in range(members):
            # In a session of its own, so Ctrl-C reaches only the command line. With -P, the
            # current folder comes last on the path, after the standard library.
            member = subprocess.Popen(
                [sys.executable, "-P", "-m", "sessionlab.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            self._members.append(member)
            self._send(len(self._members) - 1, start)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._members)

    def wait_until_started(self) -> None:
        """Wait until all processes have started. Raises `MeasurementFailed`."""
        self._collect_reports(range(len(self)), DoneReport)

    def close(self) -> None:
        """End the processes: idle ones by closing their input, the others by a kill."""
        for member in self._members:
            if member.stdin is not None:
                with suppress(OSError):
                    member.stdin.close()
        until = monotonic() + (_HURRY if self._stop_sent else _PATIENCE)
        for member in self._members:
            try:
                member.wait(max(0.2, until - monotonic()))
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
            if member.stdout is not None:
                member.stdout.close()

    def run_command(
        self,
        commands: Sequence[tuple[int, WorkerCommand]],
        kind: type[R],
        tell: Callable[[str], object] = lambda _: None,
    ) -> list[R]:
        """Send each process its command and return the reports in that order.

        After a stop, the processes report what they have. Raises `MeasurementFailed`.
        """
        for number, run_command in commands:
            self._send(number, run_command)
        tidies = any(isinstance(run_command, Close | Grow) for _, run_command in commands)
        members = [number for number, _ in commands]
        return self._collect_reports(members, kind, tell, _TIDYING if tidies else _PATIENCE)

    def _collect_reports(
        self,
        members: Sequence[int],
        kind: type[R],
        tell: Callable[[str], object] = lambda _: None,
        patience: float = _PATIENCE,
    ) -> list[R]:
        reports: dict[int, R] = {}
        given_up = None
        with selectors.DefaultSelector() as selector:
            for number in members:
                stdout = self._members[number].stdout
                if stdout is not None:
                    selector.register(stdout, selectors.EVENT_READ, number)
            while len(reports) < len(members):
                for key, _ in selector.select(_LOOK):
                    for report in self._read_reports(key.data):
                        if isinstance(report, ProgressReport):
                            tell(report.text)
                        elif isinstance(report, FailureReport):
                            raise MeasurementFailed(f"{self._name}: {report.reason}")
                        elif isinstance(report, kind):
                            reports[key.data] = report
                if self._stopping():
                    self._send_stop()
                    given_up = given_up or monotonic() + patience
                if given_up is not None and monotonic() > given_up:
                    raise MeasurementFailed(f"{self._name}: its process did not stop")
        return [reports[number] for number in members]

    def _send_stop(self) -> None:
        if not self._stop_sent:
            self._stop_sent = True
            for number in range(len(self._members)):
                self._send(number, Stop())

    def _send(self, number: int, run_command: WorkerCommand) -> None:
        stdin = self._members[number].stdin
        try:
            if stdin is not None:
                stdin.write(msgspec.json.encode(run_command) + b"\n")
                stdin.flush()
        except OSError:
            raise self._ended(number) from None

    def _read_reports(self, number: int) -> list[WorkerReport]:
        stdout = self._members[number].stdout
        if stdout is None:
            return []
        data = os.read(stdout.fileno(), 1 << 16)
        if not data:
            raise self._ended(number)
        *lines, left = (self._left.get(number, b"") + data).split(b"\n")
        self._left[number] = left
        return [msgspec.json.decode(line, type=WorkerReport) for line in lines]

    def _ended(self, number: int) -> MeasurementFailed:
        """Return the error for a process that ended; the signal shows a kill for lack of
        memory."""
        with suppress(subprocess.TimeoutExpired):
            code = self._members[number].wait(_HURRY)
            if code < 0:
                by = signal.Signals(-code).name
                return MeasurementFailed(f"{self._name}: its process was ended by {by}")
        return MeasurementFailed(f"{self._name}: its process has ended")
