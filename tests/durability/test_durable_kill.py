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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from sessionkeeper import (
    MessageKind,
    Session,
    SQLiteSessionStore,
    StoreUnavailable,
)

CYCLES = int(os.environ.get("SESSIONKEEPER_KILLS", "200"))
"""Kills for each durability in a long run."""
ROOT = Path(__file__).parents[2]
"""The folder of the tests' own modules."""
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
    ) -> tuple[dict[int, str], list[tuple[str, int]]]:
        """Have a writer, and kill it so many seconds after it has said so much.

        Return the frames of `a` that it acknowledged, and its other changes.
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
        told = [(int(each[1]), each[2]) for each in found if each and each[2] != "opening"]
        return (
            {seq: text for seq, text in told if text[0] != "~"},
            [(text[1:], n) for n, text in told if text[0] == "~"],
        )

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
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        ),
        theirs,
    ):
        theirs.close()
        try:
            yield ProcessSpawner(ours, loop, flaw)
        finally:
            ours.close()


async def stored(path: Path, after: int, changes: Sequence[tuple[str, int]]) -> dict[int, str]:
    """What a store finds there in `a`; these changes must be in the other sessions."""
    try:
        store = await SQLiteSessionStore(path).open()
    except StoreUnavailable as error:  # newest rows that contradict each other
        raise AssertionError("a kill left a file that is refused") from error
    async with store:
        assert await store.check() == []
        if not await store.count_sessions():
            assert not changes
            return {}
        frames = await store.read_frames("a", after=after, limit=1_000_000)
        count = await store.count_frames("a")
        await look_for_changes(store, changes)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(BEYOND).fetchone() == (0,)
    assert count == after + len(frames)
    return {each.seq: each.envelope.message.split(b'"')[-2].decode() for each in frames}


async def look_for_changes(store: SQLiteSessionStore, changes: Sequence[tuple[str, int]]) -> None:
    """Each that was acknowledged is there, and none by half."""
    held = {each.id: each for each in await store.list_sessions()}
    if "b" not in held:
        assert not changes
        return
    session, due = held["b"], held.get("due")
    frames = await store.read_frames("b", limit=1_000_000)
    seqs = [frame.seq for frame in frames]
    first = session.last_seq - session.frame_count + 1
    assert seqs == [*range(first, session.last_seq + 1)]
    assert (session.last_seq % 3, first % 3) == (0, 1)
    whole = {each.seq for each in frames if each.envelope.kind is not MessageKind.REMOVED}
    for seq, frame in zip(seqs, frames, strict=True):
        n, part = (seq + 2) // 3, (seq + 2) % 3
        assert frame.envelope.context.stream == f"s{part}"
        assert seq not in whole or b'["%d-%d"]' % (n, part) in frame.envelope.message
    assert whole.issuperset(seqs[::3])
    assert all((seq in whole) == (seq + 1 in whole) for seq in seqs[1::3])
    for part in range(3):
        in_stream = await store.read_frames("b", stream=f"s{part}", limit=1_000_000)
        assert in_stream == frames[part::3]
    has: dict[str, Callable[[int], bool]] = {
        "append": lambda n: session.last_seq >= 3 * n,
        "remove": lambda n: 3 * n not in whole,
        "trim": lambda n: first > 3 * (n - 5),
        "put": lambda n: count_of(session) >= n,
        "expire": lambda n: due is not None and count_of(due) >= n + (due.ended_at is None),
    }
    assert [(name, n) for name, n in changes if not has[name](n)] == []


def count_of(session: Session) -> int:
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)
    return n


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
            said, changes = writers.killed(
                path, durability, str(cycle), lines, random.random() / 200
            )
            found = runner.run(stored(path, last, changes))
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


@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        ("remove_frames", "'remove'"),
        ("trim_frames", "'trim'"),
        ("put_session", "'(put|expire)'"),  # what expires was put before
        ("expire_sessions", "'expire'"),
    ],
)
def test_the_harness_finds_each_answer_given_too_early(
    tmp_path: Path, pytestconfig: pytest.Config, operation: str, missing: str
) -> None:
    """A writer that answers one of its operations before it does it."""
    with pytest.raises(AssertionError, match=missing):
        lane(tmp_path, "disk", pytestconfig.getoption("--loop"), 400, operation)
