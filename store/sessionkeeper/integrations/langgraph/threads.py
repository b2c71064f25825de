"""The logs of threads: a thread is a session, and what LangGraph stores in it is its frames.

Every write is one `add_frames`, so it is stored whole or not at all, and it never conflicts: two
processes may write to one thread. What is stored again takes the place of the earlier when it is
read, so a write may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, suppress
from functools import lru_cache

from sessionkeeper import (
    LimitExceeded,
    MessageEnvelope,
    Session,
    SessionNotFound,
    SessionQuery,
    TransportType,
    session_id_for,
)

from .calls import StoreCalls
from .known import KnownIds
from .reading import Moment, read_stream
from .records import (
    NAMESPACES,
    CheckpointRecord,
    EntryRecord,
    HighestId,
    NamespacesRecord,
    WritesRecord,
    checkpoint_stream,
    entry_stream,
    pack,
    unpack,
)
from .walk import Entry, newest_first

__all__ = ["ThreadLogs", "thread_session_id"]

TAG = "langgraph"
_PAGE = 1000
_SHORT = 255


def thread_session_id(thread_id: str) -> str:
    """Return the id of the session that holds a thread."""
    # Each call needs it. What is kept is bounded: LangGraph's ids of threads are short.
    return _short_id(thread_id) if len(thread_id) <= _SHORT else session_id_for(TAG, thread_id)


@lru_cache(maxsize=4096)
def _short_id(thread_id: str) -> str:
    return session_id_for(TAG, thread_id)


class ThreadLogs:
    """Reads and writes the logs of threads with the calls of a store."""

    def __init__(self, calls: StoreCalls, known: KnownIds) -> None:
        self.calls = calls
        self.known = known

    async def find(self, thread_id: str) -> Session | None:
        """Return the session of a thread, if there is one."""
        try:
            return await self.calls.get_session(thread_session_id(thread_id))
        except SessionNotFound:
            return None

    async def find_threads(self) -> AsyncGenerator[str]:
        """Yield the ids of all threads, in the order of their creation."""
        query, cursor = SessionQuery(tags_all=frozenset({TAG})), None
        while True:
            page = await self.calls.find_sessions(query, cursor=cursor, limit=_PAGE)
            for session in page.sessions:
                thread_id = session.metadata.get("thread_id")
                if isinstance(thread_id, str):
                    yield thread_id
            if (cursor := page.cursor) is None:
                return

    async def put(
        self, thread_id: str, namespace: str, record: CheckpointRecord, run_id: str | None
    ) -> None:
        """Store a checkpoint, in place of an earlier one of its id."""
        session_id, checkpoint_id = thread_session_id(thread_id), record.checkpoint_id
        entries = entry_stream(namespace)
        fact = self.known.for_put(session_id, entries)
        while True:
            if fact is None:
                try:
                    fact = await self._learn(thread_id, entries)
                finally:
                    self.known.end_asking(session_id, entries)
            entry = EntryRecord(checkpoint_id, run_id, fact)
            frames = [
                pack(session_id, checkpoint_stream(namespace, checkpoint_id), record),
                pack(session_id, entries, entry),
            ]
            if fact.highest is None:
                named = NamespacesRecord([namespace])
                frames.append(pack(session_id, NAMESPACES, named))
            try:
                numbers = await self.append(session_id, fact.incarnation, frames)
            except SessionNotFound:  # deleted, and perhaps made anew, since it was read
                self.known.forget(session_id, entries)
                fact = None
            else:
                return self.known.note_append(session_id, entries, numbers, checkpoint_id)

    async def append(
        self, session_id: str, incarnation: str, frames: Sequence[MessageEnvelope]
    ) -> range:
        """Append to the log of an incarnation. Raises `SessionNotFound` if that log is gone."""

        def check(session: Session) -> Session:
            if session.incarnation != incarnation:
                raise SessionNotFound(session_id)
            return session

        return await self.calls.add_frames(session_id, frames, change=check)

    async def put_writes(
        self, thread_id: str, namespace: str, checkpoint_id: str, record: WritesRecord
    ) -> None:
        """Store writes of a checkpoint, which need not be there yet."""
        session_id = thread_session_id(thread_id)
        frames = [pack(session_id, checkpoint_stream(namespace, checkpoint_id), record)]
        while True:
            try:
                numbers = await self.calls.add_frames(session_id, frames)
            except SessionNotFound:
                await self.create(thread_id)
            else:
                stream = entry_stream(namespace)
                return self.known.note_append(session_id, stream, numbers, None)

    async def create(self, thread_id: str) -> tuple[Session, bool]:
        """Return the session of a thread, and whether this call created it."""
        return await self.calls.get_or_create_session(
            Session.new(
                id=thread_session_id(thread_id),
                transport_type=TransportType.IN_PROCESS,
                tags=frozenset({TAG}),
                metadata={"thread_id": thread_id},
            )
        )

    async def delete(self, thread_id: str) -> None:
        """Delete a thread with all that it holds; a thread that is not there is no error."""
        with suppress(SessionNotFound):
            await self.calls.delete_session(thread_session_id(thread_id))

    async def walk(self, moment: Moment, stream: str) -> AsyncGenerator[Entry]:
        """Yield the entries that a stream had at a moment, from the highest id."""
        known = self.known.get(moment.session_id, stream)
        if known is not None and known.incarnation != moment.incarnation:
            self.known.forget(moment.session_id, stream)
            known = None
        first = True
        async with aclosing(newest_first(self.calls, moment, stream, known)) as entries:
            async for entry in entries:
                if first:
                    self.note_highest(moment, stream, entry.record)
                first = False
                yield entry
        if first:
            self.note_highest(moment, stream, None)

    def note_highest(self, moment: Moment, stream: str, highest: EntryRecord | None) -> None:
        """Keep in mind that a stream had no higher entry at a moment, or none at all."""
        self.known.learn(moment.session_id, stream, _fact(moment, highest))

    async def namespaces(self, moment: Moment) -> list[str]:
        """Return the namespaces that a thread had, in order."""
        names = set[str]()
        for _, record in await read_stream(self.calls, moment.session_id, NAMESPACES, at=moment):
            if isinstance(record, NamespacesRecord):
                names.update(record.namespaces)
        return sorted(names)

    async def remove(self, moment: Moment, seqs: Sequence[int]) -> None:
        """Remove frames of a log, in one step if the store's limits allow it.

        Raises `SessionNotFound` if that log is gone.
        """
        session_id, incarnation = moment.session_id, moment.incarnation
        try:
            await self.calls.remove_frames(session_id, seqs, incarnation=incarnation)
        except LimitExceeded as error:
            for first in range(0, len(seqs), error.maximum):
                part = seqs[first : first + error.maximum]
                await self.calls.remove_frames(session_id, part, incarnation=incarnation)

    async def find_removed_beginning(self, moment: Moment, also: Collection[int] = ()) -> int:
        """Return the number up to which all frames of a log have been removed; 0 if none.

        Frames with a number of `also` count as removed.
        """
        up_to = 0
        while True:
            page = await self.calls.read_frames(
                moment.session_id, after=up_to, limit=_PAGE, incarnation=moment.incarnation
            )
            for frame in page:
                if frame.seq not in also and unpack(frame) is not None:
                    return up_to
                up_to = frame.seq
            if len(page) < _PAGE:
                return up_to

    async def _learn(self, thread_id: str, stream: str) -> HighestId:
        """Find out what is true of a stream of entries; make the thread if it is not there."""
        while True:
            session = await self.find(thread_id)
            if session is None:
                session, _ = await self.create(thread_id)
            moment = Moment.of(session)
            try:
                async with aclosing(self.walk(moment, stream)) as entries:
                    entry = await anext(entries, None)
            except SessionNotFound:
                continue
            return _fact(moment, None if entry is None else entry.record)


def _fact(moment: Moment, highest: EntryRecord | None) -> HighestId:
    checkpoint_id = None if highest is None else highest.checkpoint_id
    return HighestId(moment.incarnation, moment.last_seq, checkpoint_id)
