"""Each method of a store as an operation to time, on 64 sessions of 100 frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sessionkeeper import AtomicSessionStore, MessageEnvelope, Session, SessionQuery

if TYPE_CHECKING:  # it imports more than old checkouts have
    from harness import Operation

__all__ = ["CALLERS", "FRAMES", "METHODS", "NAMES", "SESSIONS", "filled"]

CALLERS = 64
NAMES = [str(number) for number in range(CALLERS)]
MESSAGE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)
SESSIONS = [Session.new(transport_type="stdio", id=name) for name in NAMES]
FRAMES = [MessageEnvelope.of(name, MESSAGE, direction="client-to-server") for name in NAMES]
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


def tagged(session: Session) -> Session:
    """A change a user might make."""
    return session.model_copy(update={"tags": {"tagged"}})


async def create_and_delete(store: AtomicSessionStore) -> None:
    """One of each, so that the store does not grow."""
    session = await store.create_session(Session.new(transport_type="stdio"))
    await store.delete_session(session.id)


async def get_and_update(store: AtomicSessionStore, i: int) -> None:
    """One of each: an update needs a fresh snapshot."""
    await store.update_session(await store.get_session(NAMES[i]))


async def get_and_update_batch(store: AtomicSessionStore, i: int) -> None:
    """The same for eight at once, which nobody else updates."""
    names = NAMES[i - i % 8 : i - i % 8 + 8]
    if i % 8 == 0:
        await store.update_sessions_batch(await store.get_sessions_batch(names))


async def append_and_trim(store: AtomicSessionStore, i: int) -> None:
    """One of each, so that the log does not grow."""
    seq = await store.add_frame(FRAMES[i])
    await store.trim_frames(NAMES[i], up_to=seq - 100)


async def append_and_delete_frames(store: AtomicSessionStore) -> None:
    """In a session of its own, which goes too: the others keep their hundred frames."""
    name = f"short-{next(_numbers)}"
    await store.create_session(Session.new(transport_type="stdio", id=name))
    await store.add_frame(MessageEnvelope.of(name, MESSAGE, direction="client-to-server"))
    await store.delete_frames(name)
    await store.delete_session(name)


async def watch(store: AtomicSessionStore, i: int) -> None:
    """The first ten frames, as a watcher gets them."""
    watcher = store.watch_frames(NAMES[i])
    for _ in range(10):
        await anext(watcher)
    await watcher.aclose()


METHODS: dict[str, Callable[[AtomicSessionStore], Operation]] = {
    "create_session+delete_session": lambda s: lambda _: create_and_delete(s),
    "get_session": lambda s: lambda i: s.get_session(NAMES[i]),
    "get_session+update_session": lambda s: lambda i: get_and_update(s, i),
    "get_or_create_session": lambda s: lambda i: s.get_or_create_session(SESSIONS[i]),
    "put_session": lambda s: lambda i: s.put_session(SESSIONS[i]),
    "modify_session": lambda s: lambda i: s.modify_session(NAMES[i], tagged),
    "touch_session": lambda s: lambda i: s.touch_session(NAMES[i]),
    "list_sessions": lambda s: lambda _: s.list_sessions(),
    "count_sessions": lambda s: lambda _: s.count_sessions(),
    "find_sessions of 64": lambda s: lambda _: s.find_sessions(SessionQuery()),
    "get_sessions_batch of 64": lambda s: lambda _: s.get_sessions_batch(NAMES),
    "get+update_sessions_batch of 8": lambda s: lambda i: get_and_update_batch(s, i),
    "expire_sessions of none": lambda s: lambda _: s.expire_sessions(idle=86_400.0),
    "purge_sessions of none": lambda s: lambda _: s.purge_sessions(ended_before=_LONG_AGO),
    "statistics": lambda s: lambda _: s.statistics(),
    "add_frame": lambda s: lambda i: s.add_frame(FRAMES[i]),
    "add_frames of 64": lambda s: lambda i: s.add_frames(NAMES[i], [FRAMES[i]] * 64),
    "add_frame+trim_frames": lambda s: lambda i: append_and_trim(s, i),
    "add_frame+delete_frames of one's own": lambda s: lambda _: append_and_delete_frames(s),
    "read_frames of 100": lambda s: lambda i: s.read_frames(NAMES[i], limit=100),
    "get_frames of 100": lambda s: lambda i: s.get_frames(NAMES[i]),
    "watch_frames of 10": lambda s: lambda i: watch(s, i),
    "count_frames": lambda s: lambda i: s.count_frames(NAMES[i]),
}


async def filled(store: AtomicSessionStore) -> AtomicSessionStore:
    """Open a store with 64 sessions of 100 frames."""
    await store.open()
    for session, frame in zip(SESSIONS, FRAMES, strict=True):
        await store.create_session(session)
        await store.add_frames(session.id, [frame] * 100)
    return store
