"""Any one sync fails, the kernel forgets what it could not write, and then the power goes."""

from __future__ import annotations

import asyncio
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
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import ledger

if TYPE_CHECKING:
    from tests.durability.conftest import Power


def note(n: int) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": [n]}
    return MessageEnvelope.of("a", message, direction="client-to-server")


async def make(path: Path) -> None:
    """A store with a session, made and closed while all is well."""
    async with SQLiteSessionStore(path) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))


async def work(path: Path, events: list[Any]) -> None:
    """Append one by one, with a checkpoint after each, and note what is said of it."""
    async with SQLiteSessionStore(path) as store:
        for n in range(6):
            try:
                await store.add_frame(note(n))
                events.append(("said", n, "done"))
            except OutcomeUnknown:
                events.append(("said", n, "unknown"))
            except StoreUnavailable:
                events.append(("said", n, "refused"))


async def stored(path: Path) -> list[int]:
    """What a store finds there, whole."""
    async with SQLiteSessionStore(path, durability="os") as store:
        assert await store.check() == []
        frames = await store.read_frames("a")
        return [int(frame.envelope.message.split(b"[")[1].rstrip(b"]}")) for frame in frames]


@pytest.mark.timeout(300)
def test_after_any_failed_sync_what_was_said_stays_true(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was acknowledged is there, what was refused is not; of a log or of the file."""
    monkeypatch.setattr(ledger, "CHECKPOINT_AT", 1)
    recorder, path = power.recorder, power.recorder.folder / "store.db"
    rebuilt = tmp_path / "rebuilt"
    rebuilt.mkdir()
    failed: set[str] = set()
    for k in count():
        path.unlink(missing_ok=True)
        asyncio.run(make(path))
        events: list[Any] = [("create", "store.db"), ("write", "store.db", 0, path.read_bytes())]
        events += [("sync", "store.db"), ("sync folder",)]
        recorder.events = events
        recorder.fail_sync = k
        with monkeypatch.context() as patch:
            patch.setattr(
                sqlite3,
                "connect",
                lambda path, **_: power.Connection(recorder.NAME, path, lambda _: None),
            )
            try:
                asyncio.run(work(path, events))
            except StoreUnavailable:
                assert not any(each[0] == "said" for each in events)
        recorder.fail_sync = -1
        whose = [each[1] for each in events if each[0] == "sync failed"]
        if not whose:
            break
        failed.update(whose)
        at = next(i for i, each in enumerate(events) if each[0] == "sync failed")
        crash = Random(k)
        moments = sorted(crash.choices(range(at + 1, len(events) + 1), k=4))
        for moment in (*moments, len(events)):
            disk = power.Disk()
            for event in events[:moment]:
                disk.follow(event)
            for each in rebuilt.iterdir():
                each.unlink()
            for name, data in disk.after(crash).items():
                (rebuilt / name).write_bytes(data)
            found = asyncio.run(stored(rebuilt / "store.db"))
            said = {each[1]: each[2] for each in events[:moment] if each[0] == "said"}
            assert [n for n in found if said.get(n) == "refused"] == []
            assert {n for n, what in said.items() if what == "done"} <= set(found)
            assert found == sorted(set(found))
    assert failed == {"store.db", "store.db-wal"}
