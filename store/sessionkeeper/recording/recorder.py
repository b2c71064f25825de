"""Where the messages of a proxy go: the protocol of a recorder, and the one for a manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..leases import Heartbeat, own_lease
from ..values.delivery import StdioDelivery
from ..values.errors import LimitExceeded
from ..values.frozen import FrozenDict
from ..values.gap import Gap
from ..values.jsonrpc import MessageKind
from ..values.lease import LEASE_KEY, without_lease
from ..values.message import MessageEnvelope
from ..values.message_context import MessageContext
from ..values.oddities import BYTES
from ..values.states import SessionState, TransportType
from .analysis.tallying import RunningTally
from .origin import DEFAULT_ORIGIN, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..manager import SessionManager
    from ..values.lease import Lease
    from ..values.session import Session
    from ..values.states import Direction

__all__ = ["Recorder", "SessionRecorder"]

_MAX_REASON = 1024
_TOO_LARGE = "larger than the store takes"
_ENDED = FrozenDict()
_NOT_ENDED = FrozenDict({"line_end": "none"})


class Recorder(Protocol):
    """Records the messages of a proxy. The proxy never calls it concurrently."""

    def started(self, pid: int, /) -> None:
        """Receive the process id of the server; called once, before the first message."""
        ...

    async def record(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> MessageKind | None:
        """Record the exact bytes of one message, whatever they are; of a line, without its newline.

        Returns `ODD` or `GAP` if that is what was recorded. Raises `InvalidMessage` for what it
        does not record, or another `SessionError`.
        """
        ...

    async def record_gap(
        self,
        direction: Direction,
        gap: Gap,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        """Record what is known of messages that were too large, or came too fast."""
        ...

    async def complete(self) -> None:
        """End the session in order."""
        ...

    async def fail(self, reason: str, /) -> None:
        """End the session as failed."""
        ...


class SessionRecorder:
    """Records into one session of a manager; on stdio with the command and the pid of the server.

    While it runs, the session holds its `Lease`, so that others can tell a session that is being
    recorded from one whose recorder is gone. Its heartbeats and its end bring the number of calls
    and errors into the metadata, under `sessionkeeper.calls`.
    """

    def __init__(
        self, manager: SessionManager, session_id: str, command: Sequence[str] | None = None
    ) -> None:
        self.session_id = session_id
        self._manager = manager
        self._delivery: StdioDelivery | None = None
        """That of messages whose origin has none."""
        if command is not None:
            self._delivery = StdioDelivery(command=tuple(map(_as_text, command)))
        self._heartbeat: Heartbeat | None = None
        self._tally = RunningTally()

    @classmethod
    async def open(
        cls,
        manager: SessionManager,
        command: Sequence[str] | None = None,
        *,
        id: str | None = None,
        transport_type: TransportType = TransportType.STDIO,
        **fields: object,
    ) -> Self:
        """Create a session to record into. Raises as `SessionManager.create_session`.

        The lease is in its metadata under `LEASE_KEY`. Metadata that leave no room for it, by
        `max_metadata_bytes`, are more important: then the session has none.
        """

        async def create(fields: dict[str, object]) -> str:
            made = await manager.create_session(transport_type=transport_type, id=id, **fields)
            return made.id

        lease = own_lease()
        try:
            recorder = cls(manager, await create(_with_lease(fields, lease)), command)
        except LimitExceeded as full:
            if full.limit != "max_metadata_bytes":
                raise
            return cls(manager, await create(fields), command)
        recorder._heartbeat = Heartbeat(
            manager.modify_session, recorder.session_id, lease, beside=recorder._tally.into
        )
        recorder._heartbeat.start()
        return recorder

    def started(self, pid: int, /) -> None:
        """Add the process id to every message from now on."""
        if self._delivery is not None:
            self._delivery = StdioDelivery(command=self._delivery.command, pid=pid)

    async def record(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> MessageKind | None:
        """Append one message as a frame; a gap, if it is larger than the store's frames may be.

        The newline is not part of a frame: each line has one, but for a frame whose metadata have
        `line_end` `none`. Raises what `SessionManager.record` raises.
        """
        envelope = self._envelope(direction, message, timestamp, origin)
        try:
            await self._append(envelope)
        except LimitExceeded as full:
            if full.limit != "max_frame_bytes":
                raise
            gap = Gap.of(message, _TOO_LARGE)
            await self.record_gap(direction, gap, timestamp, origin=origin)
            return MessageKind.GAP
        return None if envelope.oddity is None else envelope.kind

    async def record_gap(
        self,
        direction: Direction,
        gap: Gap,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        """Append a gap frame, without the ends of the message if the store takes no more.

        Raises what `SessionManager.record` raises.
        """
        try:
            await self._append_gap(direction, gap, timestamp, origin)
        except LimitExceeded as full:
            if full.limit != "max_frame_bytes":
                raise
            await self._append_gap(direction, gap.without_ends(), timestamp, origin)

    async def complete(self) -> None:
        """End the session in order."""
        await self._end(SessionState.CLOSED, None)

    async def fail(self, reason: str, /) -> None:
        """End the session as failed."""
        await self._end(SessionState.FAILED, reason[:_MAX_REASON])

    async def _end(self, state: SessionState, failure: str | None) -> None:
        if self._heartbeat is not None:
            await self._heartbeat.stop()

        def end(session: Session) -> Session:
            session = without_lease(session)
            if session.state is state:
                return session
            return session.model_copy(update={"state": state, "failure": failure})

        def count_and_end(session: Session) -> Session:
            return end(session if session.state.is_terminal else self._tally.into(session))

        try:
            await self._manager.modify_session(self.session_id, count_and_end)
        except LimitExceeded:  # metadata that leave no room for the tally are more important
            await self._manager.modify_session(self.session_id, end)

    def _envelope(
        self, direction: Direction, message: bytes, timestamp: datetime, origin: Origin
    ) -> MessageEnvelope:
        context: dict[str, Any] = {
            "timestamp": timestamp,
            "delivery": origin.delivery or self._delivery,
            "stream": origin.stream,
            "metadata": _ENDED if origin.ended else _NOT_ENDED,
        }
        if origin.oddity is not None:
            fields = {"session_id": self.session_id, "direction": direction, **context}
            return MessageEnvelope(
                message=message,
                context=MessageContext.model_validate(fields),
                media_type=origin.media_type or BYTES,
                oddity=origin.oddity,
            )
        if origin.media_type is not None:
            media_type = origin.media_type
            return MessageEnvelope.of_payload(
                self.session_id, message, media_type=media_type, direction=direction, **context
            )
        return MessageEnvelope.of(self.session_id, message, direction=direction, **context)

    async def _append_gap(
        self, direction: Direction, gap: Gap, timestamp: datetime, origin: Origin
    ) -> None:
        envelope = MessageEnvelope.of_gap(
            self.session_id,
            gap,
            direction=direction,
            timestamp=timestamp,
            delivery=origin.delivery or self._delivery,
            stream=origin.stream,
        )
        await self._append(envelope)

    async def _append(self, envelope: MessageEnvelope) -> None:
        self._tally.add(envelope, await self._manager.record(envelope))


def _with_lease(fields: dict[str, object], lease: Lease) -> dict[str, object]:
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, Mapping):
        return fields  # creating the session refuses it
    return {**fields, "metadata": {**metadata, LEASE_KEY: lease.model_dump(mode="json")}}


def _as_text(word: str) -> str:
    """Return a word of a command line as text, with bytes that are not UTF-8 escaped."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
