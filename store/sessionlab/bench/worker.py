"""One process that measures one subject: `python -m sessionlab.bench.worker`, by a pool only.

A subject has its process to itself: its memory, its garbage and its loop are its own. Orders come
on stdin, reports go to what was stdout; what a subject prints goes to stderr.
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
from .growth import grow
from .latencies import Histogram
from .load_steps import steps_of
from .loop_monitor import LoopWatch, rss_bytes
from .protocol import (
    RUN_FOLDER,
    Check,
    Close,
    Done,
    Failed,
    Grow,
    GrowthReport,
    Opened,
    Order,
    Prepare,
    Progress,
    Report,
    RoundReport,
    Run,
    Start,
    Stop,
)
from .round_setup import end, fill, filled_with, found_in
from .store_subject import StoreSubject
from .subject import Subject
from .targets import lacking, subject_of, target_named

__all__ = ["main"]

_PATIENCE = 60.0
"""Seconds to tidy up in when nobody gives orders any more."""
_LOOK = 10.0
"""Seconds for which somebody who wants to stop waits for what is looked at."""


class Worker:
    """Does one order after the other; only `Stop` comes in between."""

    def __init__(self, start: Start, reports: BinaryIO) -> None:
        self._start, self._reports = start, reports
        self._subject: Subject | None = None
        self._drive: LoadGenerator | None = None
        self._keys: list[str] = []
        self._member = 0
        self._held = self._before = 0
        self._stopped = False
        self._run_name = os.environ.get("SESSIONKEEPER_BENCH_RUN", "bench")

    async def work(self, orders: BinaryIO) -> None:
        """Read orders on a thread until there are no more: whoever gave them has ended."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Order | None] = asyncio.Queue()
        self.report(Done())

        def read() -> None:
            for line in orders:
                loop.call_soon_threadsafe(self._take, msgspec.json.decode(line, type=Order), queue)
            # Whoever gave the orders has ended: there is nobody to measure for, whatever hangs.
            loop.call_soon_threadsafe(self._take, Stop(), queue)
            loop.call_soon_threadsafe(queue.put_nowait, None)
            if not ended.wait(_PATIENCE):
                self._remove_folder()
                os._exit(1)

        ended = threading.Event()
        threading.Thread(target=read, name="orders", daemon=True).start()
        while (order := await queue.get()) is not None:
            try:
                self.report(await self._do(order))
            except Exception as error:
                self.report(Failed(_reason(error)))
        with suppress(Exception):
            await self._leave()
        ended.set()

    def report(self, report: Report) -> None:
        """Write a line; nobody may be there to read it."""
        with suppress(BrokenPipeError):
            self._reports.write(msgspec.json.encode(report) + b"\n")
            self._reports.flush()

    def _take(self, order: Order, queue: asyncio.Queue[Order | None]) -> None:
        if isinstance(order, Stop):
            self._stopped = True
            if self._drive is not None:
                self._drive.stop()
        else:
            queue.put_nowait(order)

    async def _do(self, order: Order) -> Report:
        if isinstance(order, Prepare):
            return await self._prepare(order)
        if isinstance(order, Run):
            return await self._run()
        if isinstance(order, Check):
            return await self._check()
        if isinstance(order, Close):
            return await self._close(tidy=order.tidy)
        if isinstance(order, Grow):
            return await self._grow(order)
        raise TypeError(f"no order: {type(order).__name__}")

    async def _prepare(self, order: Prepare) -> Report:
        self._load, self._member = order.load, order.member
        name, mark = f"round{order.round}", self._run_name
        target = target_named(self._start.target, new=False)
        subject = subject_of(target, Path(self._start.folder), place=name, run=mark)
        self._subject = subject
        await subject.open()
        self._held = await subject.held() or 0
        self._keys = [f"{mark}-{name}-{n}" for n in range(order.load.sessions)]
        steps = steps_of(order.load, subject.offers, seed=order.load.seed + order.member)
        self._drive = LoadGenerator(
            subject, order.load, self._keys, steps, own=f"{mark}-{name}-by{order.member}"
        )
        # Of what drives nothing is garbage: a collection is to look at what the subject keeps.
        gc.freeze()
        self._before = filled_with(subject, order.load)
        if order.fill:
            await fill(subject, order.load, self._keys, stopped=lambda: self._stopped)
        if self._stopped:
            self._drive.stop()
        return Opened(lacking(subject), tuple(work.value for work in subject.offers))

    async def _run(self) -> Report:
        drive, subject, load = self._open_drive(), self._open_subject(), self._load
        if load.warmup:
            await drive.measure(load.warmup)
        gc.collect()
        before = rss_bytes()
        depth = subject.depth if isinstance(subject, StoreSubject) else lambda: None
        with LoopWatch(depth) as watch:
            seconds = await drive.measure(load.seconds)
        after = rss_bytes()
        held = await subject.held() if self._member == 0 else None
        histograms: dict[str, str] = {}
        for work, samples in drive.samples.items():
            if samples:
                histogram = Histogram()
                histogram.record(samples)
                histograms[work.value] = histogram.encoded()
        return RoundReport(
            seconds=seconds,
            completed=drive.completed,
            histograms=histograms,
            acknowledged={work.value: each for work, each in drive.acknowledged.items()},
            unknown={work.value: each for work, each in drive.unknown.items()},
            errors=dict(drive.errors),
            late=drive.late,
            ended_early=drive.ended_early,
            stall_ns=watch.longest,
            gc_pauses=watch.pauses,
            gc_longest_ns=watch.longest_pause,
            gc_ns=watch.paused,
            depth=watch.deepest,
            rss_before=before,
            rss_after=after,
            server_grown=None if held is None else held - self._held,
        )

    async def _check(self) -> Report:
        begun = monotonic()
        return await found_in(
            self._open_subject(),
            self._keys,
            before=self._before,
            # What was measured is still looked at, if that does not take long.
            stopped=lambda: self._stopped and monotonic() - begun > _LOOK,
        )

    async def _close(self, *, tidy: bool) -> Report:
        subject, self._subject = self._open_subject(), None
        drive, self._drive = self._open_drive(), None
        filled = self._keys if self._member == 0 else []
        await end(subject, [*filled, *drive.made], tidy=tidy, last=self._member == 0)
        self._keys = []
        gc.unfreeze()
        gc.collect()
        return Done()

    async def _leave(self) -> None:
        """Nobody gives orders any more: tidy up what they would have tidied up.

        Of several processes each may be the last one.
        """
        subject, self._subject = self._subject, None
        try:
            if subject is not None:
                tidy = target_named(self._start.target, new=False).tidied
                made = self._drive.made if self._drive is not None else ()
                await end(subject, [*self._keys, *made], tidy=tidy, last=True)
        finally:
            self._remove_folder()

    def _remove_folder(self) -> None:
        """The folder of this subject, and that of the run when nobody else has one in it."""
        folder = Path(self._start.folder)
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.name.startswith(RUN_FOLDER):
            with suppress(OSError):
                folder.parent.rmdir()

    async def _grow(self, order: Grow) -> Report:
        target = target_named(self._start.target, new=False)
        folder = Path(self._start.folder)

        def make(place: str) -> Subject:
            return subject_of(target, folder, place=place, run=self._run_name)

        growth, lacks = await grow(
            make,
            order.max_size,
            alone=not target.parts,
            skew=order.skew,
            tell=lambda text: self.report(Progress(text)),
            stopped=lambda: self._stopped,
        )
        return GrowthReport(growth, lacks, not self._stopped)

    def _open_subject(self) -> Subject:
        if self._subject is None:
            raise RuntimeError("no round is open")
        return self._subject

    def _open_drive(self) -> LoadGenerator:
        if self._drive is None:
            raise RuntimeError("no round is open")
        return self._drive


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def main() -> None:
    """Do what is ordered, until there are no more orders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gives the orders
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    orders = sys.stdin.buffer
    start = msgspec.json.decode(orders.readline(), type=Start)
    factory = asyncio.new_event_loop
    if start.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(Worker(start, reports).work(orders))


if __name__ == "__main__":
    main()
