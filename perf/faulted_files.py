"""Processes that share a SQLite file, killed and held up while they write."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from faulted_checks import Findings, Operation, Outcome, SessionRecord
from faulted_flaws import flawed_file
from faulted_lanes import Tally, compare
from faulted_load import Caller, FaultLog
from sessionkeeper import Session, SQLiteSessionStore

__all__ = ["FileLane"]

WRITERS = 3
"""Processes at once."""
SESSIONS, CALLERS = 6, 32
LOCK_TIMEOUT = 2.0
OPENING = 30.0
"""Seconds for the lock until a writer is ready: it makes no calls that are counted."""
FRESH = 10
"""Rounds after which another file is begun: the making of one is disturbed as well."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["sessionkeeper"])


class _Reported(SessionRecord):
    """Tells the process that compares what was asked and answered here."""

    def __init__(self, session_id: str, findings: Findings, tell: Callable[[Any], None]) -> None:
        super().__init__(session_id, findings)
        self._tell = tell

    def asked(self, operation: Operation) -> None:
        self._tell(("asked", operation))

    def told(self, operation: Operation) -> None:
        super().told(operation)
        self._tell(("told", operation))


class _ReportedFindings(Findings):
    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def add(self, kind: str, what: str) -> None:
        self._tell(("found", kind, what))


def be_writer(path: str, name: str, seed: float, broken: bool, pipe: Connection) -> None:
    """Write until SIGTERM, and tell everything; Ctrl-C is for the process that started this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable()  # each would say the same of its SQLite
    if broken:
        flawed_file()
    with suppress(BrokenPipeError):
        asyncio.run(_write(path, name, Random(seed), pipe.send))


async def _write(path: str, name: str, random: Random, tell: Callable[[Any], None]) -> None:
    going = True

    def end() -> None:
        nonlocal going
        going = False

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    findings = _ReportedFindings(tell)
    records: dict[str, SessionRecord] = {
        key: _Reported(key, findings, tell) for key in (f"s{n}" for n in range(SESSIONS))
    }

    def on_call(key: str, begun: float, ended: float, outcome: Outcome) -> None:
        tell(("call", key, begun, ended, outcome))

    # It opens while others hold the file, or have just been killed with it.
    async with SQLiteSessionStore(path, lock_timeout=OPENING) as store:
        for key in records:
            await store.get_or_create_session(Session.new(transport_type="stdio", id=key))
    async with SQLiteSessionStore(path, lock_timeout=LOCK_TIMEOUT) as store:
        tell(("ready",))
        callers = [
            Caller(
                f"{name}.{number}",
                store,
                records=records,
                on_call=on_call,
                findings=findings,
                deadline=LOCK_TIMEOUT,
                random=Random(random.random()),
            )
            for number in range(CALLERS)
        ]
        await asyncio.gather(*(caller.run(lambda: going) for caller in callers))
    tell(("closed",))


class _Writer:
    """One such process, and all it told."""

    def __init__(self, path: Path, name: str, seed: float, *, broken: bool) -> None:
        ours, theirs = _context.Pipe(duplex=False)
        self.process = _context.Process(
            target=be_writer, args=(str(path), name, seed, broken, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.told = asyncio.ensure_future(asyncio.to_thread(self._listen, ours))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        pid = self.process.pid
        if pid is not None and self.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _listen(self, pipe: Connection) -> list[Any]:
        heard: list[Any] = []
        with pipe, suppress(EOFError, OSError):
            while True:
                heard.append(pipe.recv())
                if heard[-1][0] == "ready":
                    self._loop.call_soon_threadsafe(self.ready.set)
        self._loop.call_soon_threadsafe(self.ready.set)
        return heard


class FileLane:
    """Rounds on a file, as those on a server."""

    def __init__(self, name: str, folder: Path, *, random: Random, broken: bool = False) -> None:
        self.name = name
        self.findings = Findings()
        self.tally = Tally()
        self._folder, self._random, self._broken = folder, random, broken
        self._faults = FaultLog()
        self._records: dict[str, SessionRecord] = {}
        self._writers: list[_Writer] = []
        self._started = 0

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Make rounds until that is no longer so, one at least."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            while True:
                await self._round()
                if not goes_on():
                    return
        finally:
            for writer in self._writers:
                writer.signal(signal.SIGKILL)

    async def _round(self) -> None:
        number = self.tally.rounds // FRESH
        path = self._folder / f"{number}.db"
        if self.tally.rounds % FRESH == 0:
            keys = [f"s{n}" for n in range(SESSIONS)]
            self._records = {key: SessionRecord(key, self.findings) for key in keys}
        self._writers = [self._start(path) for _ in range(WRITERS)]
        all_writers = [*self._writers]
        await asyncio.gather(*(writer.ready.wait() for writer in all_writers))
        for _ in range(6):
            await asyncio.sleep(self._random.random() / 3)
            place = self._random.randrange(WRITERS)
            writer = self._writers[place]
            end = self._faults.begin()
            if self._random.random() < 0.6:
                writer.signal(signal.SIGKILL)
                end()
                self.tally.faults["writer killed"] += 1
                self._writers[place] = self._start(path)
                all_writers.append(self._writers[place])
            else:
                writer.signal(signal.SIGSTOP)
                await asyncio.sleep(self._random.random() * LOCK_TIMEOUT * 0.75)
                writer.signal(signal.SIGCONT)
                end()
                self.tally.faults["writer paused"] += 1
        await self._end(all_writers)
        await self._compare(path)
        self._faults.clear()
        self.tally.rounds += 1

    def _start(self, path: Path) -> _Writer:
        self._started += 1
        name, seed = f"w{self._started}", self._random.random()
        return _Writer(path, name, seed, broken=self._broken)

    async def _end(self, writers: list[_Writer]) -> None:
        """Have them come to their end, and take in what they told."""
        for writer in self._writers:
            await writer.ready.wait()
            writer.signal(signal.SIGTERM)
        for writer in writers:
            done, _ = await asyncio.wait({writer.told}, timeout=60)
            if not done:
                self.findings.add("hung", "a writer that was asked to end does not")
                writer.signal(signal.SIGKILL)
            self._take(await writer.told)
            await asyncio.to_thread(writer.process.join)
            code = writer.process.exitcode
            if code not in (0, -signal.SIGTERM, -signal.SIGKILL):
                self.findings.add("failed", f"a writer ended by itself with {code}")

    def _take(self, told: list[Any]) -> None:
        open_ones: dict[tuple[str, float, tuple[str, ...]], Operation] = {}
        for kind, *rest in told:
            if kind == "asked":
                (operation,) = rest
                open_ones[_name_of(operation)] = operation
            elif kind == "told":
                (operation,) = rest
                del open_ones[_name_of(operation)]
                self._records[operation.session].asked(operation)
            elif kind == "call":
                key, begun, ended, outcome = rest
                met = self._faults.met(key, begun, ended)
                self.tally.count(outcome, met=met, late=ended - begun - LOCK_TIMEOUT)
            elif kind == "found":
                self.findings.add(*rest)
        # A killed process heard no answer to these: they are there whole, or not at all.
        for operation in open_ones.values():
            self._records[operation.session].asked(operation)
            self.tally.count(Outcome.UNKNOWN, met=True)

    async def _compare(self, path: Path) -> None:
        async with SQLiteSessionStore(path) as store:
            for damage in await store.check():
                self.findings.add("damaged", str(damage))
            for key, record in self._records.items():
                # All may have been killed before one of them made it.
                await store.get_or_create_session(Session.new(transport_type="stdio", id=key))
                await compare(store, record)


def _name_of(operation: Operation) -> tuple[str, float, tuple[str, ...]]:
    return operation.session, operation.begun, operation.labels
