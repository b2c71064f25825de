"""Reading what a thread's log holds of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from sessionkeeper import Frame, Session

from .calls import StoreCalls
from .records import CheckpointRecord, Record, WritesRecord, checkpoint_stream, unpack

__all__ = ["Moment", "StoredCheckpoint", "StoredWrite", "read_checkpoint", "read_stream"]

_PAGE = 1000

StoredWrite: TypeAlias = tuple[str, str, int, str, str, bytes]
"""Task path, task id, index, channel, form and bytes: sorted, they are in LangGraph's order."""


class Moment(NamedTuple):
    """A session as it was when its log ended at a number: an append changes nothing before it."""

    session_id: str
    incarnation: str
    last_seq: int

    @classmethod
    def of(cls, session: Session) -> Moment:
        """Return the moment at which a session was read."""
        return cls(session.id, session.incarnation, session.last_seq)


@dataclass(slots=True)
class StoredCheckpoint:
    """A checkpoint with its writes, and the numbers of their frames."""

    record: CheckpointRecord | None = None
    """None if only writes are there: LangGraph may store them first."""
    writes: list[StoredWrite] = field(default_factory=list[StoredWrite])
    seqs: list[int] = field(default_factory=list[int])


async def read_checkpoint(
    calls: StoreCalls,
    session_id: str,
    namespace: str,
    checkpoint_id: str,
    *,
    at: Moment | None = None,
    incarnation: str | None = None,
) -> StoredCheckpoint:
    """Read what there is of a checkpoint now, or what there was at a moment.

    Raises `SessionNotFound`, also if the session is of another incarnation.
    """
    stream = checkpoint_stream(namespace, checkpoint_id)
    found, writes = StoredCheckpoint(), dict[tuple[str, int], StoredWrite]()
    records = await read_stream(calls, session_id, stream, at=at, incarnation=incarnation)
    for seq, record in records:
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


async def read_stream(
    calls: StoreCalls,
    session_id: str,
    stream: str,
    *,
    at: Moment | None = None,
    incarnation: str | None = None,
) -> list[tuple[int, Record]]:
    """Read the records of a stream; frames that were removed are left out.

    Raises as `read_checkpoint`.
    """
    incarnation = incarnation if at is None else at.incarnation
    before = None if at is None else at.last_seq + 1
    frames: list[Frame] = []
    while True:
        page = await calls.read_frames(
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
            incarnation = (await calls.get_session(session_id)).incarnation
            frames = []
