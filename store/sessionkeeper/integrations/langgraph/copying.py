"""Copies a thread."""

from __future__ import annotations

from sessionkeeper import Frame, MessageEnvelope

from .reading import Moment
from .records import (
    NAMESPACES,
    CheckpointRecord,
    EntryRecord,
    HighestId,
    NamespacesRecord,
    WritesRecord,
    pack,
    unpack,
)
from .threads import ThreadLogs

__all__ = ["copy_thread"]

_PAGE = 100
_FRAMES, _BYTES = 500, 16 * 1024 * 1024
"""A step of a copy has at most one page more than this."""
_ENTRIES = 5_000
"""Entries in one step."""


async def copy_thread(logs: ThreadLogs, source_id: str, target_id: str) -> None:
    """Add what a thread holds now to another one; a thread that is not there is no error.

    The entries come last, so the target shows the checkpoints at once: all, if they are fewer than
    5,000. An error takes out what was added. Raises `SessionNotFound` if the source is deleted
    meanwhile.
    """
    source = await logs.find(source_id)
    if source is None or source_id == target_id:
        return
    target, _ = await logs.create(target_id)
    start = HighestId(target.incarnation, 0, None)
    waiting: list[MessageEnvelope] = []
    last: list[MessageEnvelope] = []
    names = set[str]()
    added: list[int] = []
    after = 0
    try:
        while True:
            page = await logs.calls.read_frames(
                source.id,
                after=after,
                before=source.last_seq + 1,
                limit=_PAGE,
                incarnation=source.incarnation,
            )
            for frame in page:
                record = unpack(frame)
                if isinstance(record, CheckpointRecord | WritesRecord):
                    waiting.append(pack(target.id, _stream(frame), record))
                elif isinstance(record, EntryRecord):
                    entry = EntryRecord(record.checkpoint_id, record.run_id, start)
                    last.append(pack(target.id, _stream(frame), entry))
                elif isinstance(record, NamespacesRecord):
                    names.update(record.namespaces)
            if len(page) < _PAGE:
                break
            after = page[-1].seq
            if len(waiting) > _FRAMES or sum(len(e.message) for e in waiting) > _BYTES:
                added += await logs.append(target.id, target.incarnation, waiting)
                waiting = []
        last.append(pack(target.id, NAMESPACES, NamespacesRecord(sorted(names))))
        for first in range(0, len(last), _ENTRIES):
            waiting += last[first : first + _ENTRIES]
            added += await logs.append(target.id, target.incarnation, waiting)
            waiting = []
    except BaseException:
        if added:
            await logs.remove(Moment.of(target), added)
        raise


def _stream(frame: Frame) -> str:
    stream = frame.envelope.context.stream
    if stream is None:
        raise ValueError(f"frame {frame.seq} of the thread is not one of a SessionSaver")
    return stream
