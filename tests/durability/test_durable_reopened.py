"""A sync fails, the process is killed, another one opens the file, and then the power goes.

In between nobody restarted the machine: what the kernel shows is what was written, and what the
disk has may be less.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    MessageEnvelope,
    OutcomeUnknown,
    Session,
    SessionError,
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import log_resync as certainty
from sessionkeeper.backends.sqlite import opening, writer
from sessionkeeper.values.guarantees import Durability

if TYPE_CHECKING:
    from tests.durability.conftest import Power

CUTS = 12
"""Power cuts for each sync that fails."""


def note(n: int) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": [n]}
    return MessageEnvelope.of("a", message, direction="client-to-server")


async def held(store: SQLiteSessionStore) -> list[int]:
    """The numbers it holds."""
    frames = await store.read_frames("a")
    return [int(frame.envelope.message.split(b"[")[1].rstrip(b"]}")) for frame in frames]


async def append(store: SQLiteSessionStore, n: int, events: list[Any]) -> None:
    """Append one, and note what is said of it."""
    try:
        await store.add_frame(note(n))
        events.append(("said", n, "done"))
    except OutcomeUnknown:
        events.append(("said", n, "unknown"))
    except StoreUnavailable:
        events.append(("said", n, "refused"))


async def killed(path: Path, left: Path, events: list[Any]) -> None:
    """Append until it cannot, and copy what the kernel shows at that moment."""
    async with SQLiteSessionStore(path) as store:
        for n in range(5):
            await append(store, n, events)
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{left}{end}")
        events.append(("killed",))


async def reopened(path: Path, events: list[Any]) -> None:
    """See what there is, and append to it."""
    async with SQLiteSessionStore(path) as store:
        events.append(("seen", await held(store)))
        for n in range(5, 8):
            await append(store, n, events)


async def stored(path: Path) -> list[int]:
    """What a store finds there, whole."""
    async with SQLiteSessionStore(path, durability="os") as store:
        assert await store.check() == []
        return await held(store)


def record(
    power: Power, monkeypatch: pytest.MonkeyPatch, folder: Path, k: int
) -> tuple[list[Any], int]:
    """Run both processes, the k-th sync of the first failing; return all, and when it was over."""
    recorder = power.recorder
    recorder.folder = folder / "first"
    left = folder / "second" / "store.db"
    for each in (recorder.folder, left.parent):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    path = recorder.folder / "store.db"
    opening.open_file(str(path), Durability.DISK).close()
    events: list[Any] = [("create", "store.db"), ("write", "store.db", 0, path.read_bytes())]
    events += [("sync", "store.db"), ("sync folder",)]
    recorder.events = events

    async def first() -> None:
        async with SQLiteSessionStore(path) as store:
            await store.create_session(Session.new(transport_type="stdio", id="a"))
        recorder.fail_sync = k
        await killed(path, left, events)

    with monkeypatch.context() as patch:
        connect = lambda path, **_: power.Connection(recorder.NAME, path, lambda _: None)  # noqa: E731
        patch.setattr(sqlite3, "connect", connect)
        patch.setattr(certainty, "os", power.os())
        asyncio.run(first())
        recorder.fail_sync = -1
        # What it did while it closed, it did not do: it was killed.
        at = next(i for i, each in enumerate(events) if each == ("killed",))
        del events[at + 1 :]
        recorder.folder = left.parent
        asyncio.run(reopened(left, events))
    return events, at


def lost(events: list[Any], at: int, rebuilt: Path, power: Power, seed: int) -> bool:
    """Cut the power somewhen after the killing; whether what should be there is not."""
    crash = Random(seed)
    # Often right after an answer, where little time is left to lose it in.
    answers = [i + 1 for i in range(at, len(events)) if events[i][0] in ("said", "seen")]
    moment = crash.choice((crash.randrange(at, len(events) + 1), crash.choice(answers)))
    disk, certain = power.Disk(), set[int]()
    for event in events[:moment]:
        match event:
            case ("sync failed", name, _):
                disk.follow(("sync failed", name, seed))
            case ("said", n, "done"):
                certain.add(n)
            case ("seen", numbers):
                certain.update(numbers)
            case _:
                disk.follow(event)
    for each in rebuilt.iterdir():
        each.unlink()
    for name, data in disk.after(crash).items():
        (rebuilt / name).write_bytes(data)
    try:
        found = asyncio.run(stored(rebuilt / "store.db"))
    except (AssertionError, SessionError, TypeError):  # damaged: its rows are of no use
        return True
    return not certain <= set(found) or found != sorted(set(found))


def losses(power: Power, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[int, int]:
    """Fail each sync in turn; how many power cuts there were, and how many did harm."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 30_000)
    rebuilt = folder / "rebuilt"
    rebuilt.mkdir()
    cuts = found = 0
    for k in count():
        events, at = record(power, monkeypatch, folder, k)
        if not any(each[0] == "sync failed" for each in events):
            return cuts, found
        for seed in range(CUTS):
            cuts += 1
            found += lost(events, at, rebuilt, power, 1000 * k + seed)
    raise AssertionError


def test_content_found_after_a_failed_sync_is_kept(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it saw, and what it was acknowledged behind that, outlive a power cut."""
    cuts, found = losses(power, monkeypatch, tmp_path)
    assert cuts >= 5 * CUTS
    assert found == 0


def test_the_harness_finds_writes_that_never_reached_the_disk(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A store that takes the log for what it shows."""
    monkeypatch.setattr(opening, "resync_wal", lambda connection, path: None)
    _, found = losses(power, monkeypatch, tmp_path)
    assert found > 5
