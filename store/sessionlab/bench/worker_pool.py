"""The processes that measure one subject, as who gives the orders sees them."""

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
"""Seconds between two looks at whether somebody wants to stop."""
_PATIENCE = 20.0
"""Seconds that what was stopped is given to answer, and what is to end to tidy up."""
_TIDYING = 60.0
"""The same of orders that delete what was made, at their end."""
_HURRY = 2.0
"""The same when somebody waits for it."""


class MeasurementFailed(Exception):
    """A process could not do what it was asked for; one line says why."""

    partial_result: BenchResult | None = None
    """What was measured until then, marked as interrupted; None when nothing was."""


class WorkerPool:
    """So many processes on one target. Close it, or leave its context: none of them stays."""

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
            # A session of its own: Ctrl-C reaches who gives the orders, and nobody else. And -P:
            # what is in the folder where one is comes last, not before the standard library.
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
        self._reports_of(range(len(self)), DoneReport)

    def close(self) -> None:
        """End the processes: those at rest by closing their orders, the others at once."""
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
        """Give each member its order and return their reports, in that order.

        Raises `MeasurementFailed`. When somebody wants to stop they are told so, once, and answer
        with what they have.
        """
        for number, run_command in commands:
            self._send(number, run_command)
        tidies = any(isinstance(run_command, Close | Grow) for _, run_command in commands)
        members = [number for number, _ in commands]
        return self._reports_of(members, kind, tell, _TIDYING if tidies else _PATIENCE)

    def _reports_of(
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
                    raise MeasurementFailed(f"{self._name}: it did not stop")
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
        """Say that a process is gone, and which signal ended it: who has no memory left is killed
        by the system."""
        with suppress(subprocess.TimeoutExpired):
            code = self._members[number].wait(_HURRY)
            if code < 0:
                by = signal.Signals(-code).name
                return MeasurementFailed(f"{self._name}: its process was ended by {by}")
        return MeasurementFailed(f"{self._name}: its process has ended")
