"""Where the messages of a tap go: the protocol of a recorder, and the one for a manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from ..values.delivery import StdioDelivery
from ..values.message import MessageEnvelope
from ..values.states import TransportType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..manager import SessionManager
    from ..values.states import Direction

__all__ = ["Recorder", "SessionRecorder"]

_MAX_REASON = 1024


class Recorder(Protocol):
    """Records the messages of a tap. The tap never calls it concurrently."""

    def started(self, pid: int, /) -> None:
        """Receive the process id of the server; called once, before the first message."""
        ...

    async def record(self, direction: Direction, message: bytes, timestamp: datetime, /) -> None:
        """Record one message, the exact bytes of its line.

        Raises `InvalidMessage` if it is not one JSON-RPC object, or another `SessionError`.
        """
        ...

    async def complete(self) -> None:
        """End the session in order."""
        ...

    async def fail(self, reason: str, /) -> None:
        """End the session as failed."""
        ...


class SessionRecorder:
    """Records into one session of a manager, with the command and the pid of the server."""

    def __init__(self, manager: SessionManager, session_id: str, command: Sequence[str]) -> None:
        self.session_id = session_id
        self._manager = manager
        self._delivery = StdioDelivery(command=tuple(map(_as_text, command)))

    @classmethod
    async def open(
        cls,
        manager: SessionManager,
        command: Sequence[str],
        *,
        id: str | None = None,
        **fields: object,
    ) -> Self:
        """Create a stdio session to record into. Raises as `SessionManager.create_session`."""
        session = await manager.create_session(transport_type=TransportType.STDIO, id=id, **fields)
        return cls(manager, session.id, command)

    def started(self, pid: int, /) -> None:
        """Add the process id to every message from now on."""
        self._delivery = StdioDelivery(command=self._delivery.command, pid=pid)

    async def record(self, direction: Direction, message: bytes, timestamp: datetime, /) -> None:
        """Append one message; raises `InvalidMessage` or what `SessionManager.record` raises."""
        envelope = MessageEnvelope.of(
            self.session_id,
            message,
            direction=direction,
            timestamp=timestamp,
            delivery=self._delivery,
        )
        await self._manager.record(envelope)

    async def complete(self) -> None:
        """End the session in order."""
        await self._manager.complete_session(self.session_id)

    async def fail(self, reason: str, /) -> None:
        """End the session as failed."""
        await self._manager.fail_session(self.session_id, reason[:_MAX_REASON])


def _as_text(word: str) -> str:
    """Return a word of a command line as text, with bytes that are not UTF-8 escaped."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
