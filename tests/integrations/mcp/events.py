"""Messages of a server, and a client that collects what it is sent."""

from __future__ import annotations

import asyncio

from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCResponse
from sessionkeeper.integrations.mcp import SessionEventStore

__all__ = ["Replay", "answer", "progress", "texts"]


def progress(text: str) -> JSONRPCNotification:
    """A notification of a running call."""
    return JSONRPCNotification(
        jsonrpc="2.0", method="notifications/message", params={"level": "info", "data": text}
    )


def answer(request_id: int | str, text: str) -> JSONRPCResponse:
    """The answer of a call."""
    return JSONRPCResponse(jsonrpc="2.0", id=request_id, result={"text": text})


def texts(events: list[EventMessage]) -> list[str]:
    """What the messages say."""
    return [_text(each.message) for each in events]


def _text(message: JSONRPCMessage) -> str:
    if isinstance(message, JSONRPCNotification):
        return str((message.params or {})["data"])
    if isinstance(message, JSONRPCError):
        return message.error.message
    assert isinstance(message, JSONRPCResponse)
    return str(message.result["text"])


class Replay:
    """A client that came back: a task that replays after an id, and what it was sent so far."""

    def __init__(self, events: SessionEventStore, after: str) -> None:
        self.sent: list[EventMessage] = []
        self._arrived = asyncio.Event()
        self.task = asyncio.create_task(events.replay_events_after(after, self._collect))

    @staticmethod
    async def collect_nothing(event: EventMessage) -> None:
        """Receive what must not be sent."""
        raise AssertionError("nothing is sent to this client")

    async def _collect(self, event: EventMessage) -> None:
        self.sent.append(event)
        self._arrived.set()

    async def until(self, number: int) -> None:
        """Wait until this number of events was sent."""
        while len(self.sent) < number:
            self._arrived.clear()
            await self._arrived.wait()
