"""The facade: one short method per operation, which sends a command. No rule lives here.

The designs differ only in how a command is run, which each provides itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from ..interface.arguments import (
    checked_activity,
    checked_archive,
    checked_count,
    checked_cursor,
    checked_envelopes,
    checked_ids,
    checked_incarnation,
    checked_needles,
    checked_order,
    checked_past,
    checked_seconds,
    checked_seqs,
    checked_session,
    checked_sessions,
    checked_stream,
    plain_envelope,
)
from ..interface.atomic_store import AtomicSessionStore, Change
from ..interface.frame_watcher import FrameWatcher, LogPage, Proof
from ..interface.listeners import Listeners
from ..interface.long_answers import FRAMES_A_SLICE, in_slices, map_in_slices
from ..interface.wakeups import StoreWakeups
from ..operations import (
    AddFrame,
    AddFrames,
    ArchiveSession,
    CountFrames,
    CountSessions,
    CreateSession,
    DeleteFrames,
    DeleteSession,
    ExpireSessions,
    FindSessions,
    FindSessionsByActivity,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ListSessions,
    ModifySession,
    PurgeSessions,
    PutSession,
    ReadFrames,
    ReadNewFrames,
    ReadStatistics,
    RemoveFrames,
    SearchFrames,
    TouchSession,
    TrimFrames,
    UpdateSession,
    UpdateSessionsBatch,
)
from ..operations.command import StoreCommand
from ..operations.frame_record import FrameRecord, pack, unpack
from ..values.events import Listener
from ..values.ids import checked_id, new_incarnation
from ..values.message import Frame, MessageEnvelope
from ..values.query import FrameSearch, SessionOrder, SessionPage, SessionQuery, WantedFrames
from ..values.session import Session
from ..values.statistics import PostgresStatistics, ServerStatistics, StoreStatistics

__all__ = ["CommandStore"]

R = TypeVar("R")

MOST_A_PAGE = 1_000
WATCHED_AT_ONCE = FRAMES_A_SLICE
"""Number of frames that a watcher reads at once."""


class RunCommand(Protocol):
    """Runs a command whole and alone; each design has its own."""

    def __call__(self, command: StoreCommand[R], /) -> Awaitable[R]:
        """Apply a command and give its reply."""
        ...


class CommandStore(AtomicSessionStore):
    """An atomic store on `Tables`; a design brings its way to run a command."""

    # An attribute, not a method: the owner's `ask` itself, without a call in between.
    _run: RunCommand
    _wakeups: StoreWakeups
    """The tables notify it of changed sessions."""
    _listeners: Listeners
    """The tables call them with each event."""

    async def create_session(self, session: Session, /) -> Session:
        session = checked_session(session)
        return await self._run(CreateSession(session, new_incarnation(), copy_context()))

    async def get_session(self, session_id: str, /) -> Session:
        return await self._run(GetSession(checked_id(session_id)))

    async def update_session(self, session: Session, /) -> Session:
        return await self._run(UpdateSession(checked_session(session), copy_context()))

    async def delete_session(self, session_id: str, /) -> None:
        await self._run(DeleteSession(checked_id(session_id), copy_context()))

    async def list_sessions(self) -> list[Session]:
        return await in_slices(await self._run(ListSessions()))

    async def count_sessions(self) -> int:
        return await self._run(CountSessions())

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Return sessions in the requested order, all of one moment. Raises `SessionNotFound`."""
        return await in_slices(await self._run(GetSessionsBatch(checked_ids(session_ids))))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update all sessions or none. Raises as `update_session`, `ValueError` for one twice."""
        command = UpdateSessionsBatch(checked_sessions(sessions), copy_context())
        return await in_slices(await self._run(command))

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        return await self._run(ModifySession(checked_id(session_id), change, copy_context()))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        session = checked_session(session)
        return await self._run(GetOrCreateSession(session, new_incarnation(), copy_context()))

    async def put_session(self, session: Session, /) -> Session:
        session = checked_session(session)
        return await self._run(PutSession(session, new_incarnation(), copy_context()))

    async def touch_session(self, session_id: str, /) -> None:
        await self._run(TouchSession(checked_id(session_id)))

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        session = checked_archive(session)
        checked_count("expected_last_seq", expected_last_seq, minimum=0)
        return await self._run(ArchiveSession(session, expected_last_seq, copy_context()))

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
        session_id = checked_id(session_id)
        if expected_last_seq is not None:
            checked_count("expected_last_seq", expected_last_seq, minimum=0)
        records = [pack(envelope) for envelope in checked_envelopes(session_id, envelopes)]
        weight = sum(len(record.message) for record in records)
        return await self._run(
            AddFrames(session_id, records, expected_last_seq, change, copy_context(), weight)
        )

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        session_id = checked_id(session_id)
        _, records = await self._run(ReadFrames(session_id, 0, None, None, newest=False))
        make = partial(unpack, session_id)
        return await map_in_slices(make, records, size=FRAMES_A_SLICE)

    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        newest: bool = False,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        session_id = checked_id(session_id)
        checked_count("after", after, minimum=0)
        if before is not None:
            checked_count("before", before, minimum=1)
        checked_count("limit", limit, minimum=1)
        command = ReadFrames(
            session_id,
            after,
            before,
            limit,
            newest or reverse,
            checked_stream(stream),
            checked_incarnation(incarnation),
        )
        frames = await _frames(session_id, *await self._run(command))
        return frames[::-1] if reverse else frames

    async def search_frames(
        self,
        session_id: str,
        /,
        *,
        containing: Sequence[bytes | tuple[bytes, ...]],
        non_messages: bool = False,
        after: int = 0,
        limit: int = 1000,
        incarnation: str | None = None,
    ) -> FrameSearch:
        session_id = checked_id(session_id)
        wanted = WantedFrames(checked_needles(containing, non_messages), non_messages)
        checked_count("after", after, minimum=0)
        checked_count("limit", limit, minimum=1)
        command = SearchFrames(session_id, wanted, after, limit, checked_incarnation(incarnation))
        found = await self._run(command)
        frames = await _frames(session_id, found.numbers, found.records)
        return FrameSearch(tuple(frames), found.scanned_to, found.is_complete)

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        return await self._run(CountFrames(checked_id(session_id), checked_stream(stream)))

    async def delete_frames(self, session_id: str, /) -> int:
        return await self._run(DeleteFrames(checked_id(session_id)))

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        session_id = checked_id(session_id)
        checked_count("up_to", up_to, minimum=0)
        return await self._run(TrimFrames(session_id, up_to, checked_incarnation(incarnation)))

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        session_id, several = checked_id(session_id), checked_seqs(seqs)
        return await self._run(RemoveFrames(session_id, several, checked_incarnation(incarnation)))

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        if type(query) is not SessionQuery:
            raise TypeError(f"a SessionQuery is expected, not {type(query).__name__}")
        checked_count("limit", limit, minimum=1, maximum=MOST_A_PAGE)
        if checked_order(order) is SessionOrder.CREATED:
            found = await self._run(FindSessions(query, checked_cursor(cursor), limit))
        else:
            place = checked_activity(cursor)
            found = await self._run(FindSessionsByActivity(query, place, limit))
        return SessionPage(tuple(await in_slices(found.sessions)), found.cursor)

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        checked_count("limit", limit, minimum=1)
        idle, age = checked_seconds("idle", idle), checked_seconds("age", age)
        return await self._run(ExpireSessions(idle, age, limit, copy_context()))

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        checked_count("limit", limit, minimum=1)
        before, span = checked_past(ended_before, ended_for)
        return await self._run(PurgeSessions(before, span, limit, copy_context()))

    def watch_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> FrameWatcher:
        session_id = checked_id(session_id)
        checked_count("after", after, minimum=0)
        stream, incarnation = checked_stream(stream), checked_incarnation(incarnation)

        # The proof of the last frame that was read, and its number.
        seen: tuple[int, Proof] = 0, None

        async def read_page(number: int | None, after: int) -> LogPage:
            nonlocal seen
            proof = seen[1] if seen[0] == after else None
            command = ReadNewFrames(
                session_id, number, after, WATCHED_AT_ONCE, proof, stream, incarnation
            )
            found = await self._run(command)
            frames = await _frames(session_id, found.numbers, found.records)
            seen = frames[-1].seq if frames else after, found.proof
            return LogPage(found.number, frames, found.ended)

        return FrameWatcher(read_page, self._wakeups, session_id, after)

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def statistics(self) -> StoreStatistics:
        held = await self._run(ReadStatistics())
        return StoreStatistics(
            sessions=held.sessions,
            frames=held.frames,
            bytes=held.bytes,
            counters=held.counters,
            file=held.file,
            mailbox=self.mailbox,
            refusals=self._refusals(),
            server=self._server(),
        )

    def _refusals(self) -> Mapping[str, int]:
        return {}

    def _server(self) -> ServerStatistics | PostgresStatistics | None:
        return None


async def _frames(
    session_id: str, numbers: Sequence[int], records: Sequence[FrameRecord]
) -> list[Frame]:
    def make(seq: int, record: FrameRecord) -> Frame:
        return Frame.trusted({"seq": seq, "envelope": unpack(session_id, record)})

    # A log that lost its end may return fewer records than numbers.
    return await map_in_slices(make, numbers, records, size=FRAMES_A_SLICE)
