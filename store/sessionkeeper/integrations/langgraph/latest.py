"""Finding the latest checkpoint of a namespace."""

from __future__ import annotations

from contextlib import aclosing

from sessionkeeper import SessionNotFound

from .reading import Moment, StoredCheckpoint, read_checkpoint
from .records import HighestId, entry_stream, unpack
from .threads import ThreadLogs
from .walk import FIRST_PAGE, Entry, newest_first

__all__ = ["read_latest"]


async def read_latest(logs: ThreadLogs, session_id: str, namespace: str) -> StoredCheckpoint | None:
    """Read the checkpoint with the highest id, as of one moment since the call began.

    None if there is none. Raises `SessionNotFound`.
    """
    known = logs.known.get(session_id, entry_stream(namespace))
    if known is not None:
        found = await _read_with_two_calls(logs, session_id, namespace, known)
        if found is not None:
            return found
    while True:
        moment, moved = Moment.of(await logs.calls.get_session(session_id)), False
        async with aclosing(logs.walk(moment, entry_stream(namespace))) as entries:
            async for entry in entries:
                checkpoint_id = entry.record.checkpoint_id
                found = await read_checkpoint(
                    logs.calls, session_id, namespace, checkpoint_id, at=moment
                )
                if found.record is not None:
                    return found
                # Removed since that moment? Then what is below it was never the latest.
                if moved := not await _is_there(logs, moment, namespace, entry):
                    break
        if not moved:
            return None


async def _read_with_two_calls(
    logs: ThreadLogs, session_id: str, namespace: str, known: HighestId
) -> StoredCheckpoint | None:
    """Read it without the session, whose incarnation is known; None if that was not enough."""
    calls, stream, incarnation = logs.calls, entry_stream(namespace), known.incarnation
    try:
        frames = await calls.read_frames(
            session_id, limit=FIRST_PAGE, reverse=True, stream=stream, incarnation=incarnation
        )
        if not frames:
            return None
        moment = Moment(session_id, incarnation, frames[0].seq)
        async with aclosing(newest_first(calls, moment, stream, known, frames)) as entries:
            entry = await anext(entries, None)
        if entry is None:
            return None
        found = await read_checkpoint(
            calls, session_id, namespace, entry.record.checkpoint_id, incarnation=incarnation
        )
        if found.record is None:
            return None
        if found.seqs[-1] > moment.last_seq and await calls.read_frames(
            session_id, after=moment.last_seq, limit=1, stream=stream, incarnation=incarnation
        ):
            # Its last writes may have come when it was not the latest any more.
            return None
    except SessionNotFound:
        return None
    logs.note_highest(moment, stream, entry.record)
    return found


async def _is_there(logs: ThreadLogs, moment: Moment, namespace: str, entry: Entry) -> bool:
    frames = await logs.calls.read_frames(
        moment.session_id,
        after=entry.seq - 1,
        before=entry.seq + 1,
        stream=entry_stream(namespace),
        incarnation=moment.incarnation,
    )
    return any(unpack(frame) is not None for frame in frames)
