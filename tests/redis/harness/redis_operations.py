"""Every kind of write, and all that can be seen of it, for tests that break something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    Session,
    SessionEvent,
)

__all__ = [
    "WRITES",
    "Picture",
    "Write",
    "add_up",
    "counted",
    "fill",
    "note",
    "heard",
    "picture",
    "seen",
    "session",
]

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_OWN = {"created_at", "last_activity", "ended_at", "incarnation"}

Write: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]


def session(id: str, **fields: Any) -> Session:
    """A session to be created."""
    return Session.new(transport_type="stdio", id=id, **fields)


def note(n: object, id: str = "a") -> MessageEnvelope:
    """A notification that tells itself from others."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [n]}
    return MessageEnvelope.of(id, message, direction="client-to-server", timestamp=WHEN)


def counted(session: Session) -> Session:
    """One more: done twice it shows."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def _update(store: AtomicSessionStore) -> object:
    return await store.update_session(counted(await store.get_session("a")))


async def _update_batch(store: AtomicSessionStore) -> object:
    both = [await store.get_session("a"), await store.get_session("b")]
    return await store.update_sessions_batch([counted(each) for each in both])


async def _shared(store: AtomicSessionStore) -> object:
    return await _all([store.add_frame(note(n, "ab"[n % 2])) for n in range(20)])


async def _archive(store: AtomicSessionStore) -> object:
    current = await store.get_session("a")
    times = {"created_at": WHEN, "last_activity": WHEN, "ended_at": WHEN, "state": "closed"}
    session = current.model_copy(update=times)
    return await store.archive_session(session, expected_last_seq=current.last_seq)


async def _changes(store: AtomicSessionStore) -> object:
    return await _all([store.modify_session("a", counted) for _ in range(3)])


async def _all(calls: list[Any]) -> object:
    """Wait until all are answered, also when one is refused, so that none is applied later."""
    told = await asyncio.gather(*calls, return_exceptions=True)
    for each in told:
        if isinstance(each, BaseException):
            raise each
    return told


WRITES: dict[str, Write] = {
    "create_session": lambda s: s.create_session(session("new")),
    "get_or_create_session": lambda s: s.get_or_create_session(session("new")),
    "update_session": _update,
    "update_sessions_batch": _update_batch,
    "modify_session": lambda s: s.modify_session("a", counted),
    "modify_session, three at once": _changes,
    "put_session": lambda s: s.put_session(session("new")),
    "put_session of a live one": lambda s: s.put_session(session("a", state="active")),
    "put_session of an ended one": lambda s: s.put_session(session("ended")),
    "touch_session": lambda s: s.touch_session("a"),
    "archive_session": _archive,
    "delete_session": lambda s: s.delete_session("a"),
    "add_frame": lambda s: s.add_frame(note(7)),
    "add_frame, twenty at once": _shared,
    "add_frames": lambda s: s.add_frames("a", [note(7), note(8)]),
    "add_frames with a change": lambda s: s.add_frames("a", [note(7), note(8)], change=counted),
    "delete_frames": lambda s: s.delete_frames("a"),
    "trim_frames": lambda s: s.trim_frames("a", up_to=2),
    "remove_frames": lambda s: s.remove_frames("a", [1, 3]),
    "expire_sessions": lambda s: s.expire_sessions(idle=0, limit=1),
    "purge_sessions": lambda s: s.purge_sessions(ended_for=0, limit=1),
}


async def fill(store: AtomicSessionStore) -> None:
    """Four sessions, two of them ended, and five frames."""
    for name in ("a", "b", "ended", "over"):
        await store.create_session(session(name, principal="alice"))
    await store.add_frames("a", [note(0), note(1), note(2)])
    await store.add_frames("b", [note(0, "b"), note(1, "b")])
    for name in ("ended", "over"):
        await store.modify_session(name, lambda s: s.model_copy(update={"state": "closed"}))


def seen(value: Any) -> object:
    """The answers without what each run has of its own."""
    if isinstance(value, Session):
        return value.model_dump(exclude=_OWN)
    if isinstance(value, list | tuple):
        values: list[Any] = [*value]
        return [seen(each) for each in values]
    return value


@dataclass(frozen=True, slots=True)
class Picture:
    """The content of a store without times: it shows repeated and half-done operations."""

    sessions: object
    frames: object
    statistics: object


async def picture(store: AtomicSessionStore) -> Picture:
    """Look at everything there is; see that the numbers add up."""
    sessions = await store.list_sessions()
    logs = [await store.read_frames(each.id) for each in sessions]
    now = await add_up(store)
    frames = [[(frame.seq, frame.envelope.message) for frame in log] for log in logs]
    return Picture(seen(sessions), frames, (now.sessions, now.frames, now.bytes, now.counters))


async def add_up(store: AtomicSessionStore) -> Any:
    """Check that all ways of counting agree with the content; return the statistics."""
    now = await store.statistics()
    there = await store.list_sessions()
    logs = [await store.get_frames(each.id) for each in there]
    did = now.counters
    assert len(there) == await store.count_sessions() == sum(now.sessions.values())
    assert did.created == len(there) + did.deleted + did.purged + did.evicted
    assert now.frames == sum(map(len, logs)) == sum(each.frame_count for each in there)
    assert did.frames_added == now.frames + did.frames_removed + did.frames_dropped
    assert now.bytes == sum(len(each.message) for log in logs for each in log)
    for state, count in now.sessions.items():
        assert count == sum(each.state is state for each in there)
    for each, log in zip(there, logs, strict=True):
        page = await store.read_frames(each.id, limit=len(log) + 1)
        assert len(page) == len(log) == each.frame_count
    return now


async def heard(store: AtomicSessionStore, write: Write) -> tuple[object, list[object]]:
    """Apply a write; return the answer and the events."""
    told: list[object] = []

    def listen(event: SessionEvent, _: Context) -> None:
        told.append((event.kind, event.session.id))

    end = store.subscribe(listen)
    try:
        return seen(await write(store)), told
    finally:
        end()
