"""Tells a page of what happens in a store, as server-sent events.

One connection a page: a browser opens only six to a server. It tells of the sessions, of the calls
of the one session that the page shows, and ends when the page, the store or the server does.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..values.errors import SessionError
from .encoding import as_json
from .feed import follow
from .session_list import SessionList

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..interface.atomic_store import AtomicSessionStore
    from ..values.session import Session

__all__ = ["LiveResponse"]

_PAUSE = 0.5
"""Seconds between two looks at the sessions."""


class LiveResponse:
    """An ASGI response that goes on until somebody ends it."""

    def __init__(
        self,
        store: AtomicSessionStore,
        sessions: SessionList,
        shown: Session | None,
        closing: asyncio.Event,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._shown = shown
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client is gone or the server closes."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        tasks = [
            asyncio.create_task(each)
            for each in (self._tell(send), _until_gone(receive), self._closing.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _tell(self, send: Send) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                if self._shown is not None:
                    group.create_task(self._tell_calls(send, self._shown))
                group.create_task(self._tell_sessions(send))
        except* SessionError as errors:
            # Its text has no payload and no secret.
            await _event(send, "trouble", {"text": str(errors.exceptions[0])})

    async def _tell_calls(self, send: Send, session: Session) -> None:
        await _event(send, "shown", {"key": session.incarnation})
        async for batch in follow(self._store, session):
            fields = {name: getattr(batch, name) for name in batch.__slots__}
            await _event(send, "log", fields)

    async def _tell_sessions(self, send: Send) -> None:
        known: dict[str, object] = {}
        while True:
            # The first list is there at once, before the calls of any session were counted.
            rows = await self._sessions.rows(**({} if known else {"counting": 0.0}))
            changed = [row for row in rows if known.get(str(row["key"])) != row]
            now = {str(row["key"]): row for row in rows}
            gone = [key for key in known if key not in now]
            if changed or gone or not known:
                await _event(send, "sessions", {"changed": changed, "gone": gone})
            known = dict(now)
            await asyncio.sleep(_PAUSE)


async def _event(send: Send, name: str, data: object) -> None:
    body = b"event: " + name.encode() + b"\ndata: " + as_json(data) + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
