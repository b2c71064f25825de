"""A power cut at any moment: what was acknowledged at `disk` is there, and nothing is half there.

The store itself runs, owner, writer and tables, on an adapter that has SQLite write through a
recording file system. A replay of traced statements would prove the same of the statements, but not
of the order of commit, reply and checkpoint, which is where an owner can go wrong. The rebuilt disk
is opened by the store's own code on the SQLite of the standard library, and every row compared with
what stood after some commit: after the last acknowledged one or a later one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.sqlite import frame_index, frames, opening, writer
from sessionkeeper.values.guarantees import Durability

from tests.durability.cut_workload import EARLY, answering_early, is_torn, kept, work

if TYPE_CHECKING:
    from tests.durability.conftest import Power

POINTS = int(os.environ.get("SESSIONKEEPER_POWER_CUTS", "200"))
"""Power cuts for each durability; 5,000 before a release."""
TOGETHER = 250
"""Power cuts for each recording."""
TABLES = (
    *("meta", "sessions", "logs", "frames", "tombstones", "principals"),
    *("stream_keys", "new_stream_keys"),
)


def held(connection: Any) -> str:
    """Every row of every table, as a digest."""
    rows = [connection.execute(f"SELECT * FROM {each} ORDER BY 1").fetchall() for each in TABLES]
    return sha256(repr(rows).encode()).hexdigest()


def record(power: Power, monkeypatch: pytest.MonkeyPatch, durability: str, seed: int) -> list[Any]:
    """Run the workload; return what the disk was told, with commits and replies in their place."""
    recorder = power.recorder
    events: list[Any] = []
    recorder.events = events
    path = recorder.folder / "store.db"
    for each in recorder.folder.iterdir():
        each.unlink()
    link, unlink = os.link, os.unlink

    def linked(old: str, new: str) -> None:
        link(old, new)
        events.append(("link", Path(old).name, Path(new).name))

    def unlinked(old: Any) -> None:
        unlink(old)
        events.append(("delete", Path(old).name))

    def synced(path: str) -> None:
        events.append(("sync folder",) if Path(path).is_dir() else ("sync", Path(path).name))

    def created(descriptor: int) -> None:
        (new,) = (each.name for each in recorder.folder.glob("*.new"))
        events.append(("create", new))
        close(descriptor)

    close = os.close
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite3,
            "connect",
            lambda path, **_: power.Connection(
                recorder.NAME, path, lambda c: events.append(("commit", held(c)))
            ),
        )
        patch.setattr(opening, "os", power.os(link=linked, unlink=unlinked, close=created))
        patch.setattr(opening, "sync", synced)
        patch.setattr(writer, "CHECKPOINT_AT", 200_000)
        patch.setattr(frames, "MAX_REMOVED_AT_ONCE", 4)
        patch.setattr(frames, "COLLECTED_AT_ONCE", 2)
        patch.setattr(frame_index, "MERGE_AT", 20)
        asyncio.run(work(path, durability, events, Random(seed)))
    return events


def verdict(
    folder: Path, states: list[str], certain: int, begun: int, acked: dict[str, int]
) -> str:
    """Open the rebuilt file as the store does: whole, lost, or corrupt and why."""
    path = folder / "store.db"
    if not path.exists():
        return "lost" if any(acked.values()) else "whole"
    try:
        connection = opening.open_file(str(path), Durability.OS)
    except StoreUnavailable as error:
        return f"corrupt: {error}"
    try:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            return "corrupt: pages"
        if is_torn(connection):
            return "corrupt: a batch is torn"
        state = held(connection)
        found = kept(connection)
    except sqlite3.DatabaseError as error:
        return f"corrupt: {error}"
    finally:
        connection.close()
    if state in states[certain : begun + 1]:
        return "whole" if all(found[each] >= n for each, n in acked.items()) else "lost"
    return "lost" if state in states[:certain] else "corrupt: no state that was committed"


def cut(
    power: Power, monkeypatch: pytest.MonkeyPatch, folder: Path, durability: str, points: int
) -> Counter[str]:
    """Cut the power so often; count what was found."""
    found: Counter[str] = Counter()
    for seed in range(0, points, TOGETHER):
        events = record(power, monkeypatch, durability, seed)
        states = [each[1] for each in events if each[0] == "commit"]
        crash = Random(seed)
        count = min(TOGETHER, points - seed)
        # Also right after an answer, where little time is left to lose it in.
        answers = [at + 1 for at, each in enumerate(events) if each[0] == "ack"]
        moments = [crash.randrange(len(events)) for _ in range(count - count // 4)]
        moments += crash.choices(answers, k=count // 4)
        disk, commits, certain, done = power.Disk(), 0, 0, 0
        acked = dict.fromkeys(EARLY, 0)
        for moment in sorted(moments):
            for event in events[done:moment]:
                disk.follow(event)
                if event[0] == "commit":
                    commits += 1
                elif event[0] == "ack":
                    acked[event[1]], certain = event[2], commits - 1
            done = max(done, moment)
            for each in folder.iterdir():
                each.unlink()
            for name, data in disk.after(crash).items():
                (folder / name).write_bytes(data)
            found[verdict(folder, states, certain, commits, acked)] += 1
    return found


@pytest.fixture
def rebuilt(tmp_path: Path) -> Path:
    """Where the disk is rebuilt."""
    folder = tmp_path / "rebuilt"
    folder.mkdir()
    return folder


points = pytest.mark.parametrize("points", [40, pytest.param(POINTS, marks=pytest.mark.long)])


@pytest.mark.timeout(1800)
@points
def test_a_power_cut_at_level_disk_loses_nothing_acknowledged(
    power: Power, monkeypatch: pytest.MonkeyPatch, rebuilt: Path, points: int
) -> None:
    """Whatever part of the unsynced sectors, sizes and names gets to the disk."""
    assert cut(power, monkeypatch, rebuilt, "disk", points) == {"whole": points}


@pytest.mark.timeout(1800)
@points
def test_a_power_cut_at_level_os_loses_only_the_last_batches(
    power: Power, monkeypatch: pytest.MonkeyPatch, rebuilt: Path, points: int
) -> None:
    """What is found stood after some earlier commit; the harness does find that some is lost."""
    found = cut(power, monkeypatch, rebuilt, "os", points)
    assert set(found) == {"whole", "lost"}
    assert found["lost"] > points // 10


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_harness_finds_a_missing_sync(
    power: Power, monkeypatch: pytest.MonkeyPatch, rebuilt: Path
) -> None:
    """A store that says `disk` and does not sync: answers lost, and files damaged."""
    monkeypatch.setattr(opening, "_SYNCHRONOUS", {Durability.DISK: 0, Durability.OS: 1})
    found = cut(power, monkeypatch, rebuilt, "disk", 400)
    assert found["lost"] > 20
    assert sum(count for what, count in found.items() if what.startswith("corrupt")) > 5


@pytest.mark.timeout(1800)
def test_the_harness_finds_an_answer_given_before_its_commit(
    power: Power, monkeypatch: pytest.MonkeyPatch, rebuilt: Path
) -> None:
    """An owner that answers, and commits when the next batch comes."""
    begin, commit, tidy, close = (
        getattr(writer.SQLiteWriter, each) for each in ("begin", "commit", "tidy", "close")
    )
    waiting: list[Any] = []

    def late(self: Any) -> None:
        execute = self._execute
        self._execute = lambda statement, *rest: (
            waiting.append(execute) if statement == "COMMIT" else execute(statement, *rest)
        )
        commit(self)
        self._execute = execute

    def first(then: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Any, *arguments: Any) -> Any:
            while waiting:
                waiting.pop()("COMMIT")
            return then(self, *arguments)

        return method

    monkeypatch.setattr(writer.SQLiteWriter, "commit", late)
    monkeypatch.setattr(writer.SQLiteWriter, "begin", first(begin))
    monkeypatch.setattr(writer.SQLiteWriter, "close", first(close))
    monkeypatch.setattr(writer.SQLiteWriter, "tidy", lambda self: None if waiting else tidy(self))
    found = cut(power, monkeypatch, rebuilt, "disk", 200)
    # After some cuts such a writer's file is refused at opening: its log and its file disagree.
    refused = {each for each in found if each.startswith("corrupt: the log ")}
    assert set(found) - refused == {"whole", "lost"}
    assert found["lost"] > 5


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", EARLY)
def test_the_harness_finds_each_answer_given_too_early(
    power: Power, monkeypatch: pytest.MonkeyPatch, rebuilt: Path, operation: str
) -> None:
    """A store that answers one of its operations before it does it."""
    with answering_early(operation):
        found = cut(power, monkeypatch, rebuilt, "disk", 60)
    assert set(found) == {"whole", "lost"}
