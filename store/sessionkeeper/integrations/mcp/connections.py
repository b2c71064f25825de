"""The connections on which a session's events are sent, each from the log."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from sessionkeeper import SessionError

from .event_store import Cursor
from .stored_session import StoredSession
from .workers import Workers

__all__ = ["Connections", "Writer"]

logger = logging.getLogger("sessionkeeper")

Writer: TypeAlias = MemoryObjectSendStream[dict[str, Any]]
"""Takes events as `sse_starlette` sends them; closing it ends the response."""


class Connections:
    """One connection a stream, as MCP asks for: a client that comes back replaces its earlier one.

    `writers` is the SDK's table of them. Source: MCP specification 2025-11-25, transports,
    "Multiple Connections".
    """

    def __init__(
        self, writers: dict[str | int, Writer], workers: Workers, *, retry_interval: int | None
    ) -> None:
        self._writers = writers
        self._workers = workers
        self._retry = {} if retry_interval is None else {"retry": retry_interval}

    def close(self) -> None:
        """End all of them."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    @asynccontextmanager
    async def serving(self, stream_id: str, writer: Writer) -> AsyncGenerator[None, None]:
        """Make a connection the one of its stream while the block sends on it."""
        before = self._writers.get(stream_id)
        if before is not None and before is not writer:
            before.close()
        self._writers[stream_id] = writer
        try:
            yield
        except* (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # it was closed by the server's call, or its client is gone
        except* SessionError as errors:
            logger.warning("a stream of events ends: %s", type(errors.exceptions[0]).__name__)
        finally:
            self.release(stream_id, writer)

    def release(self, stream_id: str, writer: Writer) -> None:
        """End a connection; another one may have its place already."""
        writer.close()
        if self._writers.get(stream_id) is writer:
            del self._writers[stream_id]

    async def resume(
        self, session: StoredSession, cursor: Cursor, writer: Writer, *, primed: bool
    ) -> None:
        """Send the events after a place to a client that came back, or asked for the first time.

        A call whose owner is gone, now or later, is answered with an error. With `primed`, the
        client gets an event without content, at its place among the others.
        """
        async with self.serving(cursor.stream_id, writer), anyio.create_task_group() as tasks:
            tasks.start_soon(self._answer_if_lost, session, cursor)
            # The id that a client comes back with must not be sent before what precedes it.
            priming = await session.prime(cursor) if primed else None
            await self.send_events(session, cursor, writer, priming=priming)
            tasks.cancel_scope.cancel()

    async def send_events(
        self, session: StoredSession, cursor: Cursor, writer: Writer, *, priming: str | None = None
    ) -> None:
        """Send the events after a place, in the order of the log, up to the end of the stream."""
        async with aclosing(session.events.follow(cursor)) as events:
            async for event in events:
                name = await session.events.name(event.seq)
                if event.text is not None:
                    await writer.send({"event": "message", "data": event.text, "id": name})
                elif name == priming:
                    await writer.send({"id": name, "data": "", **self._retry})

    async def _answer_if_lost(self, session: StoredSession, cursor: Cursor) -> None:
        owner = session.owner_of(cursor)
        if owner is not None and not cursor.ended:
            await self._workers.wait_until_gone(owner)
            await session.answer_lost(cursor)
