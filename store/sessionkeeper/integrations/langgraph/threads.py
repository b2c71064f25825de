"""The logs of threads: a thread is a session, and what LangGraph stores in it is its frames.

Every write is one `add_frames`, so it is stored whole or not at all, and it never conflicts: two
processes may write to one thread. What is stored again takes the place of the earlier when it is
read, so a write may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import lru_cache

from sessionkeeper import (
    Frame,
    Session,
    SessionNotFound,
    SessionQuery,
    TransportType,
    session_id_for,
)

from .calls import StoreCalls
from .known import KnownIds
from .records import (
    NAMESPACES,
    CheckpointRecord,
    EntryRecord,
    HighestId,
    NamespacesRecord,
    Record,
    WritesRecord,
    checkpoint_stream,
    entry_stream,
    pack,
    unpack,
)
from .walk import Entry, newest_first

__all__ = ["StoredCheckpoint", "StoredWrite", "ThreadLogs", "thread_session_id"]

TAG = "langgraph"
_PAGE = 1000
_SHORT = 255

StoredWrite = tuple[str, str, int, str, str, bytes]
"""Task path, task id, index, channel, form and bytes: sorted, they are in LangGraph's order."""


@dataclass(slots=True)
class StoredCheckpoint:
    """A checkpoint with its writes, and the numbers of their frames."""

    record: CheckpointRecord | None = None
    """None if only writes are there: LangGraph may store them first."""
    writes: list[StoredWrite] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)


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
        self._known = known

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
        fact = self._known.get(session_id, entries)
        while True:
            is_new = False
            if fact is None:
                fact, is_new = await self._learn(thread_id, entries)
            entry = EntryRecord(checkpoint_id, run_id, fact)
            frames = [
                pack(session_id, checkpoint_stream(namespace, checkpoint_id), record),
                pack(session_id, entries, entry),
            ]
            if is_new or fact.highest is None:
                named = NamespacesRecord([namespace])
                frames.append(pack(session_id, NAMESPACES, named))
            try:
                numbers = await self.calls.add_frames(session_id, frames)
            except SessionNotFound:  # deleted since it was read
                self._known.forget(session_id, entries)
                fact = None
            else:
                return self._known.note_append(session_id, entries, numbers, checkpoint_id)

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
                return self._known.note_append(session_id, stream, numbers, None)

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

    async def read_checkpoint(
        self, session_id: str, namespace: str, checkpoint_id: str, *, at: Session | None = None
    ) -> StoredCheckpoint:
        """Read what there is of a checkpoint now, or what there was when `at` was read."""
        stream = checkpoint_stream(namespace, checkpoint_id)
        found, writes = StoredCheckpoint(), dict[tuple[str, int], StoredWrite]()
        for seq, record in await self.read_stream(session_id, stream, at=at):
            found.seqs.append(seq)
            if isinstance(record, CheckpointRecord):
                found.record = record
            elif isinstance(record, WritesRecord):
                for index, channel, form, value in record.writes:
                    key = (record.task_id, index)
                    # What a task returned is stored once; errors and interrupts (below 0) change.
                    if index < 0 or key not in writes:
                        path = record.task_path
                        writes[key] = (path, record.task_id, index, channel, form, value)
        found.writes = sorted(writes.values())
        return found

    async def read_latest(
        self, session: Session, namespace: str
    ) -> tuple[StoredCheckpoint, CheckpointRecord] | None:
        """Read the checkpoint with the highest id, as of one moment after the call began.

        None if there is none. Raises `SessionNotFound`.
        """
        while True:
            moved = False
            async with aclosing(self.walk(session, namespace)) as entries:
                async for entry in entries:
                    found = await self.read_checkpoint(
                        session.id, namespace, entry.record.checkpoint_id, at=session
                    )
                    if found.record is not None:
                        return found, found.record
                    # Removed since `session` was read? Then what is below it was never the latest.
                    if moved := not await self._is_there(session, namespace, entry):
                        break
            if not moved:
                return None
            session = await self.calls.get_session(session.id)

    async def walk(self, session: Session, namespace: str) -> AsyncGenerator[Entry]:
        """Yield the entries of a namespace from the highest id, as of when `session` was read."""
        stream = entry_stream(namespace)
        known = self._known.get(session.id, stream)
        if known is not None and known.incarnation != session.incarnation:
            self._known.forget(session.id, stream)
            known = None
        first = True
        async with aclosing(newest_first(self.calls, session, stream, known)) as entries:
            async for entry in entries:
                # Of an entry whose writer took this log for another one nothing is learned: that
                # writer has not named the namespace in it, and the next one must.
                if first and _is_of(session, entry.record):
                    self._known.learn(session.id, stream, _fact(session, entry.record))
                first = False
                yield entry
        if first:
            self._known.learn(session.id, stream, _fact(session, None))

    async def namespaces(self, session: Session) -> list[str]:
        """Return the namespaces that a thread has, in order."""
        names = set[str]()
        for _, record in await self.read_stream(session.id, NAMESPACES, at=session):
            if isinstance(record, NamespacesRecord):
                names.update(record.namespaces)
        return sorted(names)

    async def read_stream(
        self, session_id: str, stream: str | None, *, at: Session | None = None
    ) -> list[tuple[int, Record]]:
        """Read the records of a stream, or of the log; frames that were removed are left out."""
        incarnation = None if at is None else at.incarnation
        before = None if at is None else at.last_seq + 1
        frames: list[Frame] = []
        while True:
            page = await self.calls.read_frames(
                session_id,
                after=frames[-1].seq if frames else 0,
                before=before,
                limit=_PAGE,
                stream=stream,
                incarnation=incarnation,
            )
            frames += page
            if len(page) < _PAGE:
                found = ((frame.seq, unpack(frame)) for frame in frames)
                return [(seq, record) for seq, record in found if record is not None]
            if incarnation is None:  # the next page must be of the same log
                incarnation = (await self.calls.get_session(session_id)).incarnation
                frames = []

    async def remove(self, session: Session, seqs: Sequence[int]) -> None:
        """Remove frames of the log that `session` was read from.

        Raises `SessionNotFound` if that log is gone.
        """
        current = await self.calls.get_session(session.id)
        if current.incarnation != session.incarnation:
            raise SessionNotFound(session.id)
        await self.calls.remove_frames(session.id, seqs)

    async def find_removed_beginning(self, session: Session) -> int:
        """Return the number up to which all frames of a log have been removed; 0 if none."""
        up_to = 0
        while True:
            page = await self.calls.read_frames(
                session.id, after=up_to, limit=_PAGE, incarnation=session.incarnation
            )
            for frame in page:
                if unpack(frame) is not None:
                    return up_to
                up_to = frame.seq
            if len(page) < _PAGE:
                return up_to

    async def _learn(self, thread_id: str, stream: str) -> tuple[HighestId, bool]:
        """Find out what is true of a stream of entries, and whether to name it as a new one."""
        while True:
            session = await self.find(thread_id)
            if session is None:
                session, _ = await self.create(thread_id)
            try:
                async with aclosing(newest_first(self.calls, session, stream)) as entries:
                    entry = await anext(entries, None)
            except SessionNotFound:
                continue
            record = None if entry is None else entry.record
            fact = _fact(session, record)
            self._known.learn(session.id, stream, fact)
            return fact, record is None or not _is_of(session, record)

    async def _is_there(self, session: Session, namespace: str, entry: Entry) -> bool:
        frames = await self.calls.read_frames(
            session.id,
            after=entry.seq - 1,
            before=entry.seq + 1,
            stream=entry_stream(namespace),
            incarnation=session.incarnation,
        )
        return any(unpack(frame) is not None for frame in frames)


def _fact(session: Session, record: EntryRecord | None) -> HighestId:
    highest = None if record is None else record.checkpoint_id
    return HighestId(session.incarnation, session.last_seq, highest)


def _is_of(session: Session, record: EntryRecord) -> bool:
    return record.known is not None and record.known.incarnation == session.incarnation
