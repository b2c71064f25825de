"""A process that measures one subject: `python -m sessionlab.bench.worker`, started by a pool.

Each subject has a process of its own, so its memory, its garbage and its event loop are its own.
Commands come on stdin, reports go to the original stdout; what a subject prints goes to stderr.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import msgspec

from .driver import LoadGenerator
from .growth import measure_growth
from .latencies import Histogram
from .load_steps import choose_steps
from .loop_monitor import LoopMonitor, rss_bytes
from .protocol import (
    RUN_FOLDER,
    Check,
    Close,
    DoneReport,
    FailureReport,
    Grow,
    GrowthReport,
    Measure,
    OpenReport,
    Prepare,
    ProgressReport,
    RoundReport,
    Start,
    Stop,
    WorkerCommand,
    WorkerReport,
)
from .round_setup import count_all_stored, end_round, fill, initial_messages
from .store_subject import StoreSubject
from .subject import Subject
from .targets import list_limitations, make_subject, parse_target

__all__ = ["main"]

_PATIENCE = 60.0
"""Seconds for the cleanup after the end of the commands."""
_LOOK = 10.0
"""Seconds that a check may go on after a stop."""


class Worker:
    """Runs one command after the other; only `Stop` interrupts."""

    def __init__(self, start: Start, reports: BinaryIO) -> None:
        self._start, self._reports = start, reports
        self._subject: Subject | None = None
        self._generator: LoadGenerator | None = None
        self._keys: list[str] = []
        self._member = 0
        self._held = self._before = 0
        self._stopped = False
        self._run_name = os.environ.get("SESSIONKEEPER_BENCH_RUN", "bench")

    async def work(self, commands: BinaryIO) -> None:
        """Read commands on a thread until the input ends."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[WorkerCommand | None] = asyncio.Queue()
        self.report(DoneReport())

        def read() -> None:
            for line in commands:
                loop.call_soon_threadsafe(
                    self._take, msgspec.json.decode(line, type=WorkerCommand), queue
                )
            # The pool has ended: stop, even if something hangs.
            loop.call_soon_threadsafe(self._take, Stop(), queue)
            loop.call_soon_threadsafe(queue.put_nowait, None)
            if not ended.wait(_PATIENCE):
                self._remove_folder()
                os._exit(1)

        ended = threading.Event()
        threading.Thread(target=read, name="commands", daemon=True).start()
        while (command := await queue.get()) is not None:
            try:
                self.report(await self._do(command))
            except Exception as error:
                self.report(FailureReport(_reason(error)))
        with suppress(Exception):
            await self._leave()
        ended.set()

    def report(self, report: WorkerReport) -> None:
        """Write a line; ignore a closed pipe."""
        with suppress(BrokenPipeError):
            self._reports.write(msgspec.json.encode(report) + b"\n")
            self._reports.flush()

    def _take(self, command: WorkerCommand, queue: asyncio.Queue[WorkerCommand | None]) -> None:
        if isinstance(command, Stop):
            self._stopped = True
            if self._generator is not None:
                self._generator.stop()
        else:
            queue.put_nowait(command)

    async def _do(self, command: WorkerCommand) -> WorkerReport:
        if isinstance(command, Prepare):
            return await self._prepare(command)
        if isinstance(command, Measure):
            return await self._run()
        if isinstance(command, Check):
            return await self._check()
        if isinstance(command, Close):
            return await self._close(cleanup=command.cleanup)
        if isinstance(command, Grow):
            return await self._grow(command)
        raise TypeError(f"unknown command: {type(command).__name__}")

    async def _prepare(self, command: Prepare) -> WorkerReport:
        self._load, self._member = command.load, command.member
        name, mark = f"round{command.round}", self._run_name
        target = parse_target(self._start.target, new=False)
        subject = make_subject(target, Path(self._start.folder), place=name, run=mark)
        self._subject = subject
        await subject.open()
        self._held = await subject.memory_used() or 0
        self._keys = [f"{mark}-{name}-{n}" for n in range(command.load.sessions)]
        steps = choose_steps(command.load, subject.offers, seed=command.load.seed + command.member)
        self._generator = LoadGenerator(
            subject, command.load, self._keys, steps, own=f"{mark}-{name}-by{command.member}"
        )
        # The load generator is not garbage: a collection should only look at the subject.
        gc.freeze()
        self._before = initial_messages(subject, command.load)
        if command.fill:
            await fill(subject, command.load, self._keys, stopped=lambda: self._stopped)
        if self._stopped:
            self._generator.stop()
        return OpenReport(list_limitations(subject), tuple(work.value for work in subject.offers))

    async def _run(self) -> WorkerReport:
        generator, subject, load = self._require_generator(), self._require_subject(), self._load
        if load.warmup:
            await generator.measure(load.warmup)
        gc.collect()
        before = rss_bytes()
        depth = subject.depth if isinstance(subject, StoreSubject) else lambda: None
        with LoopMonitor(depth) as watch:
            seconds = await generator.measure(load.seconds)
        after = rss_bytes()
        memory_used = await subject.memory_used() if self._member == 0 else None
        histograms: dict[str, str] = {}
        for work, samples in generator.samples.items():
            if samples:
                histogram = Histogram()
                histogram.record(samples)
                histograms[work.value] = histogram.encoded()
        return RoundReport(
            seconds=seconds,
            completed=generator.completed,
            histograms=histograms,
            acknowledged={work.value: each for work, each in generator.acknowledged.items()},
            unknown={work.value: each for work, each in generator.unknown.items()},
            errors=dict(generator.errors),
            late=generator.late,
            ended_early=generator.ended_early,
            stall_ns=watch.longest,
            gc_pauses=watch.pauses,
            gc_longest_ns=watch.longest_pause,
            gc_ns=watch.paused,
            depth=watch.deepest,
            rss_before=before,
            rss_after=after,
            server_grown=None if memory_used is None else memory_used - self._held,
        )

    async def _check(self) -> WorkerReport:
        begun = monotonic()
        return await count_all_stored(
            self._require_subject(),
            self._keys,
            before=self._before,
            # After a stop, the check goes on if it does not take long.
            stopped=lambda: self._stopped and monotonic() - begun > _LOOK,
        )

    async def _close(self, *, cleanup: bool) -> WorkerReport:
        subject, self._subject = self._require_subject(), None
        generator, self._generator = self._require_generator(), None
        filled = self._keys if self._member == 0 else []
        await end_round(
            subject, [*filled, *generator.created], cleanup=cleanup, last=self._member == 0
        )
        self._keys = []
        gc.unfreeze()
        gc.collect()
        return DoneReport()

    async def _leave(self) -> None:
        """Clean up after the end of the commands; any process may be the last one."""
        subject, self._subject = self._subject, None
        try:
            if subject is not None:
                cleanup = parse_target(self._start.target, new=False).outlives_run
                created = self._generator.created if self._generator is not None else ()
                await end_round(subject, [*self._keys, *created], cleanup=cleanup, last=True)
        finally:
            self._remove_folder()

    def _remove_folder(self) -> None:
        """Remove the folder of this subject, and that of the run when it is empty."""
        folder = Path(self._start.folder)
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.name.startswith(RUN_FOLDER):
            with suppress(OSError):
                folder.parent.rmdir()

    async def _grow(self, command: Grow) -> WorkerReport:
        target = parse_target(self._start.target, new=False)
        folder = Path(self._start.folder)

        def make(place: str) -> Subject:
            return make_subject(target, folder, place=place, run=self._run_name)

        growth, limitations = await measure_growth(
            make,
            command.max_size,
            alone=not target.isolated,
            skew=command.skew,
            tell=lambda text: self.report(ProgressReport(text)),
            stopped=lambda: self._stopped,
        )
        return GrowthReport(growth, limitations, not self._stopped)

    def _require_subject(self) -> Subject:
        if self._subject is None:
            raise RuntimeError("no round is open")
        return self._subject

    def _require_generator(self) -> LoadGenerator:
        if self._generator is None:
            raise RuntimeError("no round is open")
        return self._generator


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def main() -> None:
    """Run commands until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool handles Ctrl-C
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    commands = sys.stdin.buffer
    start = msgspec.json.decode(commands.readline(), type=Start)
    factory = asyncio.new_event_loop
    if start.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(Worker(start, reports).work(commands))


if __name__ == "__main__":
    main()
