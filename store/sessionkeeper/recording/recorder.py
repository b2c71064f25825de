"""The recorder whose messages go to a manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from ..leases import Heartbeat, own_lease
from ..manager.meaning import may_settle
from ..values.delivery import StdioDelivery
from ..values.errors import (
    LimitExceeded,
    OutcomeUnknown,
    SessionError,
    StoreClosed,
    StoreUnavailable,
)
from ..values.gap import Gap
from ..values.jsonrpc import MessageKind
from ..values.lease import LEASE_KEY, REDACTION_KEY, without_lease
from ..values.message import MessageEnvelope
from ..values.states import SessionState, TransportType
from .analysis.parties import SERVER_KEY
from .analysis.tallying import RunningTally
from .envelopes import Ready, make_ready
from .origin import DEFAULT_ORIGIN, Origin
from .protocol import Captured
from .redaction.command_line import redact_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..manager import SessionManager
    from ..values.lease import Lease
    from ..values.session import Session
    from ..values.states import Direction
    from .protocol import Recorded, Tell
    from .redaction import Redactor
    from .redaction.running import RunningRedaction

__all__ = ["SessionRecorder"]

_MAX_REASON = 1024
_TOO_LARGE = "larger than the store takes"
_FEWEST = 2
"""Messages that are worth a step of several."""


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
        self._appends_many = True
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
        ready = await self._prepare(Captured(direction, message, timestamp, origin))
        return await self._append(ready)

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
        await self._append(await self._prepare(Captured(direction, gap, timestamp, origin)))

    async def record_many(self, messages: Sequence[Captured], tell: Tell, /) -> None:
        """Append messages as frames, each as `record` and `record_gap` do, in as few steps as can.

        Tells after each step what `record` returns or raises. A message that the store refuses does
        not keep the others out. Of those whose outcome is not known none is appended again.
        """
        step: list[Ready] = []
        for message in messages:
            try:
                ready = await self._prepare(message)
            except Exception as error:
                await self._append_all(step, tell)
                tell([error])
                step = []
                continue
            if may_settle(ready.envelope):  # it begins a step
                await self._append_all(step, tell)
                step = []
            step.append(ready)
        await self._append_all(step, tell)

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

    async def _prepare(self, captured: Captured) -> Ready:
        """Redact a message, and make its envelope."""
        places = 0
        if self._redaction is not None:
            captured, places = await self._redaction.apply_to(captured)
        return make_ready(self.session_id, captured, self._delivery, places)

    async def _append_all(self, ready: Sequence[Ready], tell: Tell) -> None:
        if len(ready) < _FEWEST or not self._appends_many:
            for each in ready:
                tell([await self._append_alone(each)])
            return
        envelopes = [each.envelope for each in ready]
        try:
            numbers = await self._manager.record_many(self.session_id, envelopes)
        except Exception as error:
            self._appends_many = not isinstance(error, NotImplementedError)
            if not _may_be_of_one(error):
                tell([error] * len(ready))
                return
            # In halves, one message that is refused costs few steps.
            half = len(ready) // 2
            await self._append_all(ready[:half], tell)
            await self._append_all(ready[half:], tell)
            return
        for seq, envelope in zip(numbers, envelopes, strict=True):
            self._tally.add(envelope, seq)
        tell([_kind(envelope) for envelope in envelopes])

    async def _append_alone(self, ready: Ready) -> Recorded:
        try:
            return await self._append(ready)
        except Exception as error:
            return error

    async def _append(self, ready: Ready) -> MessageKind | None:
        """Append a message; of one that is larger than the store takes, what a gap has."""
        captured, envelope = ready
        try:
            await self._append_one(envelope)
        except LimitExceeded as full:
            message = captured.message
            small = isinstance(message, Gap) and not (message.first or message.last)
            if full.limit != "max_frame_bytes" or small:
                raise
            if isinstance(message, Gap):
                gap = message.without_ends()
            else:
                gap = Gap.of(message, _TOO_LARGE)
            return await self._append(
                make_ready(self.session_id, captured._replace(message=gap), self._delivery)
            )
        return _kind(envelope)

    async def _append_one(self, envelope: MessageEnvelope) -> None:
        self._tally.add(envelope, await self._manager.record(envelope))


def _may_be_of_one(error: Exception) -> bool:
    """Whether nothing was done, and fewer messages may find a place at once."""
    if isinstance(error, StoreUnavailable):
        return error.waited is None  # a full disk
    if isinstance(error, OutcomeUnknown | StoreClosed):
        return False
    return isinstance(error, SessionError | NotImplementedError)


def _kind(envelope: MessageEnvelope) -> MessageKind | None:
    """Return the kind of what is no message."""
    return None if envelope.oddity is None else envelope.kind


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
