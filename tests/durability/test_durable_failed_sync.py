"""Any one sync fails, the kernel forgets what it could not write, and then the power goes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
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
from sessionkeeper.backends.sqlite import errors as faults
from sessionkeeper.backends.sqlite import writer

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


def untrue(
    power: Power,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    failed: set[str],
    *,
    luck: int = 0,
) -> Iterator[str]:
    """Fail each sync in turn and cut the power afterwards; what was said and is not so."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 1)
    recorder, path = power.recorder, power.recorder.folder / "store.db"
    rebuilt = folder / "rebuilt"
    rebuilt.mkdir()
    for k in count():
        path.unlink(missing_ok=True)
        asyncio.run(make(path))
        events: list[Any] = [("create", "store.db"), ("write", "store.db", 0, path.read_bytes())]
        events += [("sync", "store.db"), ("sync folder",)]
        recorder.events = events
        recorder.fail_sync = k
        with monkeypatch.context() as patch:
            connect = lambda path, **_: power.Connection(recorder.NAME, path, lambda _: None)  # noqa: E731
            patch.setattr(sqlite3, "connect", connect)
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
        crash = Random(100 * luck + k)
        moments = sorted(crash.choices(range(at + 1, len(events) + 1), k=4))
        for moment in (*moments, len(events)):
            disk = power.Disk()
            for event in events[:moment]:
                disk.follow(event)
            for each in rebuilt.iterdir():
                each.unlink()
            for name, data in disk.after(crash).items():
                (rebuilt / name).write_bytes(data)
            try:
                found = asyncio.run(stored(rebuilt / "store.db"))
            except (AssertionError, SessionError, TypeError):  # rows of no use
                yield "damaged"
                continue
            said = {each[1]: each[2] for each in events[:moment] if each[0] == "said"}
            yield from (f"{n} refused, and there" for n in found if said.get(n) == "refused")
            done = {n for n, what in said.items() if what == "done"}
            yield from (f"{n} done, and not there" for n in done - set(found))
            if found != sorted(set(found)):
                yield "out of order, or twice"


def tried(power: Power, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """What is not so, with one luck after the other: chance decides which sectors are written."""
    for luck in range(40):
        own = folder / str(luck)
        own.mkdir()
        yield from untrue(power, monkeypatch, own, set(), luck=luck)


def test_after_a_failed_sync_every_answer_stays_true(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was acknowledged is there, what was refused is not; of a log or of the file."""
    failed: set[str] = set()
    assert list(untrue(power, monkeypatch, tmp_path, failed)) == []
    assert failed == {"store.db", "store.db-wal"}


@pytest.mark.long
def test_the_harness_finds_a_repeated_sync(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second one says that all is well, and what the first one forgot is lost."""
    power.recorder.tries_again = True
    found = tried(power, monkeypatch, tmp_path)
    assert any("not there" in each for each in found)
    assert any(each == "damaged" for each in found)


def test_the_harness_finds_an_unknown_outcome_that_is_called_refused(
    power: Power, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A commit whose sync failed may be found in the log."""
    judge = faults.judge_error

    def too_sure(error: Exception, *, committing: bool, writing: bool) -> Any:
        return judge(error, committing=False, writing=writing)

    monkeypatch.setattr(writer, "judge_error", too_sure)
    assert any("refused" in each for each in tried(power, monkeypatch, tmp_path))
