"""A power cut at any moment: what was acknowledged at `disk` is there, and nothing is half there.

The store itself runs, owner, writer and tables, on an adapter that has SQLite write through a
recording file system. A replay of traced statements would prove the same of the statements, but not
of the order of commit, reply and checkpoint, which is where an owner can go wrong. The rebuilt disk
is opened by the store's own code on the SQLite of the standard library, and every row compared with
what stood after some commit: after the last acknowledged one or a later one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    MessageEnvelope,
    Session,
    SessionError,
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import frame_index, frames, opening, writer
from sessionkeeper.values.guarantees import Durability

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
LAST = "SELECT last_seq FROM logs JOIN sessions ON number = session WHERE id = 'acks'"

BEYOND = "SELECT count(*) FROM frames JOIN logs USING (session) WHERE seq > last_seq"
PARTS = "SELECT session, seq, message FROM frames WHERE CAST(message AS TEXT) LIKE '%[\"part\"%'"


def note(id: str, n: int, size: int = 0) -> MessageEnvelope:
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of(id, message.ljust(size), direction="client-to-server")


def held(connection: Any) -> str:
    """Every row of every table, as a digest."""
    rows = [connection.execute(f"SELECT * FROM {each} ORDER BY 1").fetchall() for each in TABLES]
    return sha256(repr(rows).encode()).hexdigest()


def part(id: str, n: int, number: int) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": ["part", n, number]}
    return MessageEnvelope.of(id, message, direction="client-to-server", stream=f"s{number}")


def torn(connection: Any) -> bool:
    """Whether a frame is not counted, or a batch of three is without its end."""
    found = {
        (session, seq): json.loads(message)["params"][1:]
        for session, seq, message in connection.execute(PARTS).fetchall()
    }
    return connection.execute(BEYOND).fetchone() != (0,) or any(
        number < 2 and found.get((session, seq + 1)) != [n, number + 1]
        for (session, seq), (n, number) in found.items()
    )


def operation(store: SQLiteSessionStore, n: int, random: Random) -> Awaitable[object]:
    """One that may fail: what there is to do depends on what was done."""
    one = f"s{random.randrange(6)}"
    kinds: list[Callable[[], Awaitable[object]]] = [
        lambda: store.create_session(Session.new(transport_type="stdio", id=one, principal=one)),
        lambda: store.create_session(Session.new(transport_type="stdio", id=one)),
        lambda: store.add_frames(one, [part(one, n, each) for each in range(3)]),
        lambda: store.add_frame(note(one, n, random.randrange(9_000))),
        lambda: store.modify_session(one, lambda s: s.model_copy(update={"tags": {str(n)}})),
        lambda: store.trim_frames(one, up_to=3),
        lambda: store.delete_session(one),
        lambda: store.modify_session(one, lambda s: s.model_copy(update={"state": "closed"})),
        lambda: store.purge_sessions(ended_for=0),
    ]
    return random.choices(kinds, (3, 1, 4, 4, 2, 2, 1, 1, 1))[0]()


async def work(path: Path, durability: str, events: list[Any], random: Random) -> None:
    """Batches of several callers, checkpoints, sweeps, a vacuum, and closings in between."""
    n = 0
    for _ in range(3):
        async with SQLiteSessionStore(path, durability=durability) as store:
            await store.get_or_create_session(Session.new(transport_type="stdio", id="acks"))
            for _ in range(12):
                n += 1
                some = [operation(store, n, random) for _ in range(random.randrange(6))]
                asked = [asyncio.ensure_future(each) for each in some]
                await store.add_frame(note("acks", n))
                events.append(("ack", n))
                for outcome in await asyncio.gather(*asked, return_exceptions=True):
                    if isinstance(outcome, Exception) and not isinstance(outcome, SessionError):
                        raise outcome
            await store.vacuum()


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


def verdict(folder: Path, states: list[str], certain: int, begun: int, acked: int) -> str:
    """Open the rebuilt file as the store does: whole, lost, or corrupt and why."""
    path = folder / "store.db"
    if not path.exists():
        return "lost" if acked else "whole"
    try:
        connection = opening.open_file(str(path), Durability.OS)
    except StoreUnavailable as error:
        return f"corrupt: {error}"
    try:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            return "corrupt: pages"
        if torn(connection):
            return "corrupt: a batch is torn"
        state = held(connection)
        last = connection.execute(LAST).fetchone()
    except sqlite3.DatabaseError as error:
        return f"corrupt: {error}"
    finally:
        connection.close()
    if state in states[certain : begun + 1]:
        return "whole" if (last[0] if last else 0) >= acked else "lost"
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
        disk, commits, certain, acked, done = power.Disk(), 0, 0, 0, 0
        for moment in sorted(moments):
            for event in events[done:moment]:
                disk.follow(event)
                if event[0] == "commit":
                    commits += 1
                elif event[0] == "ack":
                    acked, certain = event[1], commits - 1
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
