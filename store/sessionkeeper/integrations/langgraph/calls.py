"""The calls of a store that the saver needs, awaited or blocking.

The saver's work is written once, as coroutines. For the synchronous methods a coroutine gets calls
that block in place of awaiting, so it runs to its end in the calling thread.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from sessionkeeper import (
    Change,
    Frame,
    MessageEnvelope,
    Session,
    SessionPage,
    SessionQuery,
    ThreadSafeSessionStore,
)

__all__ = ["BlockingCalls", "StoreCalls", "run_blocking"]

R = TypeVar("R")


class StoreCalls(Protocol):
    """The methods of `AtomicSessionStore` that the saver uses."""

    async def get_session(self, session_id: str, /) -> Session: ...

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]: ...

    async def delete_session(self, session_id: str, /) -> None: ...

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        change: Change | None = None,
    ) -> range: ...

    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]: ...

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int: ...

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int: ...

    async def find_sessions(
        self, query: SessionQuery, /, *, cursor: str | None = None, limit: int = 100
    ) -> SessionPage: ...


class BlockingCalls:
    """The same, each of which has ended when it returns its first value."""

    def __init__(self, store: ThreadSafeSessionStore) -> None:
        self._store = store

    async def get_session(self, session_id: str, /) -> Session:
        return self._store.get_session(session_id)

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return self._store.get_or_create_session(session)

    async def delete_session(self, session_id: str, /) -> None:
        self._store.delete_session(session_id)

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        change: Change | None = None,
    ) -> range:
        return self._store.add_frames(session_id, envelopes, change=change)

    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        return self._store.read_frames(
            session_id,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
            stream=stream,
            incarnation=incarnation,
        )

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        return self._store.remove_frames(session_id, seqs, incarnation=incarnation)

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        return self._store.trim_frames(session_id, up_to=up_to, incarnation=incarnation)

    async def find_sessions(
        self, query: SessionQuery, /, *, cursor: str | None = None, limit: int = 100
    ) -> SessionPage:
        return self._store.find_sessions(query, cursor=cursor, limit=limit)


def run_blocking(steps: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that uses `BlockingCalls` to its end, and return its result."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    steps.close()
    raise RuntimeError("a blocking call waited for an event loop")
