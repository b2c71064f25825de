"""The facade: one short method per operation, which sends a command. No rule lives here.

What differs from design to design is how a command is run, and that is one method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextvars import copy_context
from typing import Protocol, TypeVar

from soleowner import ActorStatistics, Command

from .arguments import (
    checked_count,
    checked_envelopes,
    checked_ids,
    checked_session,
    checked_sessions,
    plain_envelope,
    plain_id,
)
from .atomic import AtomicSessionStore, Change
from .commands import (
    AddFrame,
    AddFrames,
    CountFrames,
    CountSessions,
    CreateSession,
    DeleteFrames,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ListSessions,
    ModifySession,
    ReadFrames,
    ReadStatistics,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from .message import Frame, MessageEnvelope
from .records import pack, unpack
from .session import Session
from .statistics import StoreStatistics
from .tables import Tables

__all__ = ["CommandStore"]

R = TypeVar("R")


class Run(Protocol):
    """How a design runs a command: whole, and alone."""

    def __call__(self, command: Command[Tables, R], /) -> Awaitable[R]:
        """Apply a command and give its reply."""
        ...


class CommandStore(AtomicSessionStore):
    """An atomic store on `Tables`; a design brings its way to run a command."""

    # An attribute, not a method: the owner's `ask` itself, without a call in between.
    _run: Run

    async def create_session(self, session: Session, /) -> Session:
        return await self._run(CreateSession(checked_session(session)))

    async def get_session(self, session_id: str, /) -> Session:
        return await self._run(GetSession(plain_id(session_id)))

    async def update_session(self, session: Session, /) -> Session:
        return await self._run(UpdateSession(checked_session(session)))

    async def delete_session(self, session_id: str, /) -> None:
        await self._run(DeleteSession(plain_id(session_id)))

    async def list_sessions(self) -> list[Session]:
        return await self._run(ListSessions())

    async def count_sessions(self) -> int:
        return await self._run(CountSessions())

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Return sessions in the order asked, all of one moment. Raises `SessionNotFound`."""
        return await self._run(GetSessionsBatch(checked_ids(session_ids)))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update all sessions or none. Raises as `update_session`, `ValueError` for one twice."""
        return await self._run(UpdateSessionsBatch(checked_sessions(sessions)))

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        return await self._run(ModifySession(plain_id(session_id), change, copy_context()))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return await self._run(GetOrCreateSession(checked_session(session)))

    async def touch_session(self, session_id: str, /) -> None:
        await self._run(TouchSession(plain_id(session_id)))

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        if type(envelope) is not MessageEnvelope:
            envelope = plain_envelope(envelope)
        record = pack(envelope)
        return await self._run(AddFrame(envelope.context.session_id, record, len(record.message)))

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        session_id = plain_id(session_id)
        if expected_last_seq is not None:
            checked_count("expected_last_seq", expected_last_seq, least=0)
        records = [pack(envelope) for envelope in checked_envelopes(session_id, envelopes)]
        weight = sum(len(record.message) for record in records)
        return await self._run(
            AddFrames(session_id, records, expected_last_seq, change, copy_context(), weight)
        )

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        session_id = plain_id(session_id)
        _, records = await self._run(ReadFrames(session_id, 0, None, newest=False))
        return [unpack(session_id, record) for record in records]

    async def read_frames(
        self, session_id: str, /, *, after: int = 0, limit: int = 1000, newest: bool = False
    ) -> list[Frame]:
        checked_count("after", after, least=0)
        checked_count("limit", limit, least=1)
        session_id = plain_id(session_id)
        first, records = await self._run(ReadFrames(session_id, after, limit, newest))
        return [
            Frame.trusted({"seq": seq, "envelope": unpack(session_id, record)})
            for seq, record in enumerate(records, first)
        ]

    async def count_frames(self, session_id: str, /) -> int:
        return await self._run(CountFrames(plain_id(session_id)))

    async def delete_frames(self, session_id: str, /) -> int:
        return await self._run(DeleteFrames(plain_id(session_id)))

    async def statistics(self) -> StoreStatistics:
        held = await self._run(ReadStatistics())
        return StoreStatistics(
            sessions=held.sessions, frames=held.frames, bytes=held.bytes, mailbox=self._mailbox()
        )

    def _mailbox(self) -> ActorStatistics | None:
        return None
