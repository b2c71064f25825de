"""Processes that share a SQLite file, killed and held up while they write."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from faulted_checks import Findings, Operation, Outcome, SessionRecord
from faulted_lanes import LaneCounters, compare
from faulted_load import FaultLog
from faulted_writer import LOCK_TIMEOUT, PID, SESSIONS
from sessionkeeper import Session, SQLiteSessionStore

__all__ = ["FileLane"]

WRITERS = 3
"""Processes at once."""
FRESH = 10
"""Rounds after which another file is begun: the making of one is disturbed as well."""


class _Spawner:
    """The process that forks the writers."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair()
        # A session of its own: Ctrl-C is for the process that compares.
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("faulted_writer.py"))],
            stdin=theirs.fileno(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        theirs.close()

    def fork(self, *words: object) -> tuple[int, Connection]:
        """Have a writer; its process id, and what it tells."""
        heard, pipe = os.pipe()
        socket.send_fds(self._link, [json.dumps(words).encode()], [pipe])
        os.close(pipe)
        (child,) = PID.unpack(self._link.recv(PID.size, socket.MSG_WAITALL))
        return child, Connection(heard, writable=False)

    def close(self) -> None:
        """End it; its writers are ended before."""
        self._link.close()
        self._process.wait()


class _Writer:
    """One such process, and all it told."""

    def __init__(self, pid: int, pipe: Connection) -> None:
        self._pid = pid
        self.ready = asyncio.Event()
        self.killed = False
        self._loop = asyncio.get_running_loop()
        self.told = asyncio.ensure_future(asyncio.to_thread(self._listen, pipe))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        self.killed = self.killed or number is signal.SIGKILL
        # As long as it can tell something, its number is not another's.
        if not self.told.done():
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

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

    def __init__(self, name: str, folder: Path, *, random: Random, flaw: str | None = None) -> None:
        self.name = name
        self.findings = Findings()
        self.counters = LaneCounters()
        self._folder, self._random, self._flaw = folder, random, flaw
        self._faults = FaultLog()
        self._records: dict[str, SessionRecord] = {}
        self._writers: list[_Writer] = []
        self._started = 0

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Make rounds until that is no longer so, one at least."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._spawner = await asyncio.to_thread(_Spawner)
        try:
            while True:
                await self._round()
                if not goes_on():
                    return
        finally:
            for writer in self._writers:
                writer.signal(signal.SIGKILL)
            await asyncio.to_thread(self._spawner.close)

    async def _round(self) -> None:
        number = self.counters.rounds // FRESH
        path = self._folder / f"{number}.db"
        if self.counters.rounds % FRESH == 0:
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
                self.counters.faults["writer killed"] += 1
                self._writers[place] = self._start(path)
                all_writers.append(self._writers[place])
            else:
                writer.signal(signal.SIGSTOP)
                await asyncio.sleep(self._random.random() * LOCK_TIMEOUT * 0.75)
                writer.signal(signal.SIGCONT)
                end()
                self.counters.faults["writer paused"] += 1
        await self._end(all_writers)
        await self._compare(path)
        self._faults.clear()
        self.counters.rounds += 1

    def _start(self, path: Path) -> _Writer:
        self._started += 1
        words = (str(path), f"w{self._started}", self._random.random(), self._flaw)
        return _Writer(*self._spawner.fork(*words))

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
            told = await writer.told
            if not writer.killed and ("closed",) not in told[-1:]:
                self.findings.add("failed", "a writer ended by itself")
            self._take(told)

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
                self.counters.count(outcome, met=met, late=ended - begun - LOCK_TIMEOUT)
            elif kind == "found":
                self.findings.add(*rest)
        # A killed process heard no answer to these: they are there whole, or not at all.
        for operation in open_ones.values():
            self._records[operation.session].asked(operation)
            self.counters.count(Outcome.UNKNOWN, met=True)

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
