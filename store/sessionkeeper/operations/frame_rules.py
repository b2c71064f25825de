"""What the operations on a log mean: numbered, conflicting, too much, dropped.

As in `rules.py`: check first, change last, never await.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soleowner import CallerError

from ..values.errors import LimitExceeded, SequenceConflict
from ..values.json_depth import MAX_DEPTH, nests_deeper
from ..values.limits import FramesFull, StoreLimits
from .frame_record import (
    KIND_HEADERS,
    FrameRecord,
    count_odd,
    is_message,
    is_removed,
    without_content,
)
from .session_row import SessionRow
from .session_rules import touch
from .tables import Tables

__all__ = [
    "append_frame",
    "append_frames",
    "check_append",
    "check_numbers",
    "check_records",
    "clear_frames",
    "remove_frames",
    "trim_frames",
    "unknown_number",
]

_LOOKED_AT = 64


def check_append(
    tables: Tables,
    row: SessionRow,
    records: Sequence[FrameRecord],
    size: int,
    expected_last_seq: int | None,
) -> int:
    """Return how many of the oldest frames make room for records of `size` bytes together.

    Raises `SequenceConflict` or `LimitExceeded` unless they may be appended.
    """
    if expected_last_seq is not None and expected_last_seq != row.last_seq:
        raise SequenceConflict(row.id, expected=expected_last_seq, current=row.last_seq)
    if not records:
        return 0  # nothing needs room, even where a limit was lowered below what is there
    limits = tables.limits
    check_records(limits, records, size)
    frames = row.frame_count + len(records) - limits.max_frames_per_session
    session_bytes = row.byte_count + size - limits.max_session_bytes
    total_bytes = tables.counters.bytes + size - limits.max_total_bytes
    if frames <= 0 and session_bytes <= 0 and total_bytes <= 0:
        return 0
    dropping = limits.frames_full is FramesFull.DROP_OLDEST
    # What dropping the whole log gives is the most that can be asked of it.
    if frames > (row.frame_count if dropping else 0):
        raise LimitExceeded(
            "max_frames_per_session", current=row.frame_count, maximum=limits.max_frames_per_session
        )
    if session_bytes > (row.byte_count if dropping else 0):
        raise LimitExceeded(
            "max_session_bytes", current=row.byte_count, maximum=limits.max_session_bytes
        )
    if total_bytes > (row.byte_count if dropping else 0):
        raise LimitExceeded(
            "max_total_bytes", current=tables.counters.bytes, maximum=limits.max_total_bytes
        )
    return _to_drop(tables, row, frames, max(session_bytes, total_bytes))


def append_frame(tables: Tables, row: SessionRow, record: FrameRecord, size: int) -> int:
    """Check and append one record of `size` bytes; return its number.

    It is `check_append` and `append_frames` for one record; where there is room for an ordinary
    one, which is nearly always, in half the time. Raises `LimitExceeded`.
    """
    limits, counters, detail = tables.limits, tables.counters, record.detail
    if (
        row.frame_count >= limits.max_frames_per_session
        or row.byte_count + size > limits.max_session_bytes
        or counters.bytes + size > limits.max_total_bytes
        or size > limits.max_frame_bytes
        or limits.max_json_depth < MAX_DEPTH
        or (detail is not None and detail[0] in KIND_HEADERS)
    ):
        drop = check_append(tables, row, (record,), size, None)
        return append_frames(tables, row, (record,), size, drop)
    clock = tables.clock
    row.touch(clock.wall(), clock.steady())
    tables.append_one(row, record)
    counters.frame_added(size)
    row.last_seq = seq = row.last_seq + 1
    row.frame_count += 1
    row.byte_count += size
    return seq


def check_records(limits: StoreLimits, records: Sequence[FrameRecord], size: int) -> None:
    """Raise `LimitExceeded` for records of `size` bytes together that no log takes."""
    count = len(records)
    if count > limits.max_frames_per_batch:
        raise LimitExceeded(
            "max_frames_per_batch", current=count, maximum=limits.max_frames_per_batch
        )
    if size > limits.max_frame_bytes or limits.max_json_depth < MAX_DEPTH:
        _check_each(limits, records)


def append_frames(
    tables: Tables, row: SessionRow, records: Sequence[FrameRecord], size: int, drop: int
) -> int:
    """Append checked records of `size` bytes together; return the last number. Cannot fail.

    The `drop` oldest frames make room first. Without a record nothing happens: that is no activity.
    """
    if not records:
        return row.last_seq
    if drop:
        freed = tables.trim(row, drop)
        row.shorten(drop, freed)
        tables.counters.frames_dropped(drop, freed)
    count = len(records)
    odd, gaps = count_odd(records)
    tables.append(row, records)
    tables.counters.frames_added(count, size, odd, gaps)
    row.last_seq += count
    row.frame_count += count
    row.byte_count += size
    row.odd_frames += odd
    row.gap_frames += gaps
    touch(tables, row)
    tables.announce(row.id)
    return row.last_seq


def clear_frames(tables: Tables, row: SessionRow) -> int:
    """Remove all frames of a session; what was counted of all it ever had stays, as its numbers."""
    removed = row.frame_count
    tables.clear(row)
    tables.counters.frames_removed(removed, row.byte_count)
    row.frame_count = row.byte_count = 0
    touch(tables, row)
    return removed


def trim_frames(tables: Tables, row: SessionRow, up_to: int) -> int:
    """Remove the frames numbered `up_to` or less; return how many. Their numbers stay used."""
    count = min(max(0, up_to - (row.last_seq - row.frame_count)), row.frame_count)
    if count:
        freed = tables.trim(row, count)
        row.shorten(count, freed)
        tables.counters.frames_removed(count, freed)
    return count


def remove_frames(tables: Tables, row: SessionRow, seqs: Sequence[int]) -> int:
    """Remove the content of these frames; return how many lost theirs. Their numbers stay."""
    check_numbers(tables.limits, seqs)
    if seqs and seqs[-1] > row.last_seq:
        raise unknown_number()
    first = row.last_seq - row.frame_count + 1
    changed: dict[int, FrameRecord] = {}
    freed = 0
    for seq, record in _read_each(tables, row, [seq for seq in seqs if seq >= first]):
        if not is_removed(record):
            changed[seq] = without_content(record)
            freed += len(record.message)
    if changed:
        tables.replace(row, changed)
        row.byte_count -= freed
        tables.counters.contents_removed(len(changed), freed)
    return len(changed)


def check_numbers(limits: StoreLimits, seqs: Sequence[int]) -> None:
    """Raise `LimitExceeded` for more numbers than are removed at once."""
    maximum = limits.max_frames_per_batch
    if len(seqs) > maximum:
        raise LimitExceeded("max_frames_per_batch", current=len(seqs), maximum=maximum)


def unknown_number() -> CallerError:
    """Return the error for a number that no frame had yet, as a command raises it."""
    return CallerError(ValueError("the session has had no frame of such a number yet"))


def _read_each(
    tables: Tables, row: SessionRow, seqs: Sequence[int]
) -> Iterator[tuple[int, FrameRecord]]:
    """Read these frames, those with consecutive numbers together."""
    start = 0
    for end in range(1, len(seqs) + 1):
        if end == len(seqs) or seqs[end] != seqs[end - 1] + 1 or end - start == _LOOKED_AT:
            yield from zip(seqs[start:end], tables.read(row, seqs[start], end - start), strict=True)
            start = end


def _to_drop(tables: Tables, row: SessionRow, frames: int, size: int) -> int:
    drop, freed = max(0, frames), 0
    first = row.last_seq - row.frame_count + 1
    seen = 0
    while seen < drop or freed < size:
        for record in tables.read(row, first + seen, min(_LOOKED_AT, row.frame_count - seen)):
            if seen >= drop and freed >= size:
                break
            freed += len(record.message)
            seen += 1
    return seen


def _check_each(limits: StoreLimits, records: Sequence[FrameRecord]) -> None:
    for record in records:
        size = len(record.message)
        if size > limits.max_frame_bytes:
            raise LimitExceeded("max_frame_bytes", current=size, maximum=limits.max_frame_bytes)
        # No message nests deeper than MAX_DEPTH; only a tighter limit needs another look.
        depth = limits.max_json_depth
        if depth < MAX_DEPTH and is_message(record) and nests_deeper(record.message, depth):
            raise LimitExceeded("max_json_depth", current=depth + 1, maximum=depth)
