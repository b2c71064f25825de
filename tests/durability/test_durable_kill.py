"""kill -9 at any moment: what was acknowledged is there, no batch is torn, and the file opens."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from sessionkeeper import SQLiteSessionStore, StoreUnavailable

CYCLES = int(os.environ.get("SESSIONKEEPER_KILLS", "200"))
"""Kills for each durability in a long run."""
LANES = 2
"""Writers at work at once, each on a file of its own."""
FRESH = 25
"""Kills after which a lane begins with a new file, so that also the making of one is killed."""
BEYOND = "SELECT count(*) FROM frames JOIN logs USING (session) WHERE seq > last_seq"
SAID = re.compile(r"(\d+) (\S+)\.\n")
PARTS = 12
STATUS = struct.Struct("<i")


class ProcessSpawner:
    """A process that has imported all there is, and forks writers."""

    def __init__(self, link: socket.socket, loop: str, flaw: str) -> None:
        self._link, self._loop, self._flaw = link, loop, flaw

    def killed(
        self, path: Path, durability: str, name: str, lines: int, later: float
    ) -> dict[int, str]:
        """Have a writer, and kill it so many seconds after it has said so much.

        Return what it acknowledged.
        """
        heard, pipe = os.pipe()
        asked = f"{self._loop} {durability} {self._flaw} {name} {path}".encode()
        socket.send_fds(self._link, [asked], [pipe])
        os.close(pipe)
        child = self._status()
        with open(heard) as stream:
            said = [stream.readline() for _ in range(lines)]
            time.sleep(later)  # a moment by chance: who has just answered is between two batches
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            said += stream.readlines()
        if self._status() != -signal.SIGKILL:
            # No AssertionError: that a flawed writer cannot run at all finds no flaw.
            raise RuntimeError("the writer ended by itself")
        # A line cut short was not said; all others were.
        found = [SAID.fullmatch(line) for line in said]
        assert all(found[:-1])
        return {int(each[1]): each[2] for each in found if each and each[2] != "opening"}

    def _status(self) -> int:
        (status,) = STATUS.unpack(self._link.recv(STATUS.size, socket.MSG_WAITALL))
        return int(status)


@contextmanager
def spawner(loop: str, flaw: str) -> Iterator[ProcessSpawner]:
    """Start one, and end it."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("durable_writer.py"))],
            stdin=theirs.fileno(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ),
        theirs,
    ):
        theirs.close()
        try:
            yield ProcessSpawner(ours, loop, flaw)
        finally:
            ours.close()


async def stored(path: Path, after: int) -> dict[int, str]:
    """What a store finds there."""
    try:
        store = await SQLiteSessionStore(path).open()
    except StoreUnavailable as error:  # newest rows that contradict each other
        raise AssertionError("a kill left a file that is refused") from error
    async with store:
        assert await store.check() == []
        if not await store.count_sessions():
            return {}
        frames = await store.read_frames("a", after=after, limit=1_000_000)
        count = await store.count_frames("a")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(BEYOND).fetchone() == (0,)
    assert count == after + len(frames)
    return {each.seq: each.envelope.message.split(b'"')[-2].decode() for each in frames}


def lane(folder: Path, durability: str, loop: str, cycles: int, flaw: str = "none") -> int:
    """Kill so many writers one after the other; return how much they had acknowledged.

    Looked at after every kill; what an earlier look found is not looked at again.
    """
    random, last, total = Random(f"{durability} {folder.name}"), 0, 0
    with spawner(loop, flaw) as writers, asyncio.Runner() as runner:
        for cycle in range(cycles):
            path = folder / f"{cycle // FRESH}.db"
            last *= bool(cycle % FRESH)
            lines = random.choice((0, 1, 2, random.randrange(2, 200)))
            said = writers.killed(path, durability, str(cycle), lines, random.random() / 200)
            found = runner.run(stored(path, last))
            assert list(found) == list(range(last + 1, last + 1 + len(found)))
            assert said.items() <= found.items()
            for seq, text in found.items():
                batch, _, part = text.rpartition("-")
                if "batch" in batch:
                    whole = [found.get(seq - int(part) + each) for each in range(PARTS)]
                    assert whole == [f"{batch}-{each}" for each in range(PARTS)]
            last += len(found)
            total += len(said)
    return total


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cycles", [20, pytest.param(CYCLES, marks=pytest.mark.long)])
@pytest.mark.parametrize("durability", ["disk", "os"])
def test_a_killed_writer_loses_nothing_it_acknowledged(
    tmp_path: Path, pytestconfig: pytest.Config, durability: str, cycles: int
) -> None:
    """Killed while it opens, makes the file, writes: whole batches, and all it was told of."""
    loop = pytestconfig.getoption("--loop")
    folders = [tmp_path / str(number) for number in range(LANES)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(LANES) as pool:
        totals = pool.map(lambda each: lane(each, durability, loop, cycles // LANES), folders)
        assert sum(totals) > 5 * cycles


@pytest.mark.parametrize("flaw", ["late", "autocommit"])
def test_the_harness_finds_faults_that_a_kill_shows(
    tmp_path: Path, pytestconfig: pytest.Config, flaw: str
) -> None:
    """A writer that answers before it commits, and one that commits frame by frame."""
    with pytest.raises(AssertionError):
        lane(tmp_path, "disk", pytestconfig.getoption("--loop"), 400, flaw)
