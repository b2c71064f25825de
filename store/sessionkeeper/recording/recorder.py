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
from ..values.lease import LEASE_KEY, REDACTION_KEY, without_lease
from ..values.message import MessageEnvelope
from ..values.message_context import make_context
from ..values.oddities import BYTES
from ..values.states import SessionState, TransportType
from .analysis.parties import SERVER_KEY
from .analysis.tallying import RunningTally
from .origin import DEFAULT_ORIGIN, Origin
from .redaction.command_line import redact_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..manager import SessionManager
    from ..values.lease import Lease
    from ..values.session import Session
    from ..values.states import Direction
    from .redaction import Redactor
    from .redaction.running import RunningRedaction

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

    A `redactor` is applied to each message before anything is made of it: what it takes out is
    neither stored nor seen by the manager. Its rules and counts are in the metadata, under
    `REDACTION_KEY`. A message for which it fails leaves a gap, and the first time `report` is
    called with one line. The command is always stored as `redact_command` returns it.
    """

    def __init__(
        self,
        manager: SessionManager,
        session_id: str,
        command: Sequence[str] | None = None,
        *,
        redactor: Redactor | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.session_id = session_id
        self._manager = manager
        self._delivery: StdioDelivery | None = None
        """That of messages whose origin has none."""
        if command is not None:
            self._delivery = StdioDelivery(command=_command(command))
        self._heartbeat: Heartbeat | None = None
        self._tally = RunningTally()
        self._redaction = _redaction(redactor, report)

    @classmethod
    async def open(
        cls,
        manager: SessionManager,
        command: Sequence[str] | None = None,
        *,
        id: str | None = None,
        transport_type: TransportType = TransportType.STDIO,
        redactor: Redactor | None = None,
        report: Callable[[str], None] = lambda line: None,
        **fields: object,
    ) -> Self:
        """Create a session to record into. Raises as `SessionManager.create_session`.

        The lease is in its metadata under `LEASE_KEY`, a command under `sessionkeeper.server`, the
        rules of a redactor under `REDACTION_KEY`. Metadata that leave no room for them, by
        `max_metadata_bytes`, are more important: then the session has none.
        """

        recorder = cls(manager, "", command, redactor=redactor, report=report)
        lease = own_lease()
        known = recorder._known(lease)
        # A long command is the first that has to go.
        for added in (known, {k: v for k, v in known.items() if k != SERVER_KEY}, {}):
            try:
                made = await manager.create_session(
                    transport_type=transport_type, id=id, **_with_metadata(fields, added)
                )
            except LimitExceeded as full:
                if full.limit != "max_metadata_bytes" or not added:
                    raise
                continue
            recorder.session_id = made.id
            if added:
                recorder._heartbeat = Heartbeat(
                    manager.modify_session, made.id, lease, beside=recorder._count
                )
                recorder._heartbeat.start()
            break
        return recorder

    def _known(self, lease: Lease) -> dict[str, object]:
        """Return what the metadata of a new session say."""
        known: dict[str, object] = {LEASE_KEY: lease.model_dump(mode="json")}
        if self._delivery is not None and self._delivery.command is not None:
            known[SERVER_KEY] = {"command": list(self._delivery.command)}
        if self._redaction is not None:
            known[REDACTION_KEY] = self._redaction.manifest()
        return known

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
        places = 0
        if self._redaction is not None:
            redacted = await self._redaction.apply(message, direction)
            if isinstance(redacted, Gap):
                await self.record_gap(direction, redacted, timestamp, origin=origin)
                return MessageKind.GAP
            message, places = redacted.message, redacted.places.total()
            delivery, more = self._redaction.apply_to_delivery(origin.delivery)
            origin, places = origin._replace(delivery=delivery), places + more
        envelope = self._envelope(direction, message, timestamp, origin, places)
        try:
            await self._append(envelope)
        except LimitExceeded as full:
            if full.limit != "max_frame_bytes":
                raise
            gap = Gap.of(message, _TOO_LARGE)
            await self._record_gap(direction, gap, timestamp, origin)
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

        With a redactor it never has them: rules cannot be applied to a part of a message. Raises
        what `SessionManager.record` raises.
        """
        if self._redaction is not None:
            gap = self._redaction.without_ends(gap)
            origin = origin._replace(delivery=self._redaction.apply_to_delivery(origin.delivery)[0])
        await self._record_gap(direction, gap, timestamp, origin)

    async def _record_gap(
        self, direction: Direction, gap: Gap, timestamp: datetime, origin: Origin
    ) -> None:
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
            return end(session if session.state.is_terminal else self._count(session))

        try:
            await self._manager.modify_session(self.session_id, count_and_end)
        except LimitExceeded:  # metadata that leave no room for the tally are more important
            await self._manager.modify_session(self.session_id, end)

    def _count(self, session: Session) -> Session:
        session = self._tally.into(session)
        return session if self._redaction is None else self._redaction.into(session)

    def _envelope(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        origin: Origin,
        places: int,
    ) -> MessageEnvelope:
        metadata = _ENDED if origin.ended else _NOT_ENDED
        if places:
            metadata = FrozenDict({**metadata, "redacted": str(places)})
        context: dict[str, Any] = {
            "timestamp": timestamp,
            "delivery": origin.delivery or self._delivery,
            "stream": origin.stream,
            "metadata": metadata,
        }
        if origin.oddity is not None:
            return MessageEnvelope(
                message=message,
                context=make_context(self.session_id, direction, context),
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


def _redaction(redactor: Redactor | None, report: Callable[[str], None]) -> RunningRedaction | None:
    if redactor is None:
        return None
    from .redaction.running import RunningRedaction  # heavy, and rarely used

    return RunningRedaction(redactor, report)


def _with_metadata(fields: dict[str, object], added: dict[str, object]) -> dict[str, object]:
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, Mapping):
        return fields  # creating the session refuses it
    return {**fields, "metadata": {**metadata, **added}}


def _command(command: Sequence[str]) -> tuple[str, ...]:
    return redact_command(list(map(_as_text, command)))


def _as_text(word: str) -> str:
    """Return a word of a command line as text, with bytes that are not UTF-8 escaped."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
