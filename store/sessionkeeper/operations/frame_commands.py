"""The operations on frames as commands, named as the methods that send them.

A command is built by our own facade from checked arguments and is not validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from typing import ClassVar

import msgspec

from ..interface.atomic_store import Change
from ..interface.frame_watcher import REMOVED, Proof, is_replaced
from ..values.errors import LogReplaced
from ..values.query import WantedFrames
from . import frame_rules as log_rules
from . import session_rules as rules
from .change import apply_change, store_change
from .command import OneSession
from .frame_record import FrameRecord, NumberedRecords, is_removed
from .session_row import SessionRow
from .tables import Tables

__all__ = [
    "RecordPage",
    "ReadNewFrames",
    "RemoveFrames",
    "TrimFrames",
    "proof_of",
    "AddFrame",
    "AddFrames",
    "CountFrames",
    "DeleteFrames",
    "ReadFrames",
    "SearchFrames",
    "SearchedRecords",
]


class AddFrame(OneSession[int], frozen=True, gc=False):
    adds: ClassVar[bool] = True
    record: FrameRecord
    weight: int
    """Bytes of the message."""

    def apply(self, tables: Tables, /) -> int:
        row = tables.find(self.session_id)
        if row is None or row.ended_at is not None:
            row = rules.require_live(tables, self.session_id)  # which says what is wrong
        return log_rules.append_frame(tables, row, self.record, self.weight)


class AddFrames(OneSession[range], frozen=True, gc=False):
    adds: ClassVar[bool] = True
    records: Sequence[FrameRecord]
    expected_last_seq: int | None
    change: Change | None
    context: Context
    weight: int

    def apply(self, tables: Tables, /) -> range:
        row = rules.require_live(tables, self.session_id)
        size = self.weight
        drop = log_rules.check_append(tables, row, self.records, size, self.expected_last_seq)
        changed = None
        if self.change is not None:
            changed = apply_change(tables, row, self.change, self.context)
        last = log_rules.append_frames(tables, row, self.records, size, drop)
        if changed is not None:
            store_change(tables, row, changed, self.context)
        return range(last - len(self.records) + 1, last + 1)


class ReadFrames(OneSession[NumberedRecords], frozen=True, gc=False):
    read_only: ClassVar[bool] = True

    after: int
    before: int | None
    limit: int | None
    newest: bool
    stream: str | None = None
    """The stream whose frames are read; None for all frames."""
    incarnation: str | None = None
    """That the session must have; None for any."""

    def apply(self, tables: Tables, /) -> NumberedRecords:
        row = rules.require(tables, self.session_id)
        rules.check_incarnation(row, self.incarnation)
        first = max(self.after, row.last_seq - row.frame_count) + 1
        last = row.last_seq if self.before is None else min(row.last_seq, self.before - 1)
        if self.stream is not None:
            limit, newest = self.limit, self.newest
            return tables.read_stream(row, self.stream, first, last, limit, newest=newest)
        count = max(0, last - first + 1)
        if self.limit is not None and self.limit < count:
            if self.newest:
                first = last - self.limit + 1
            count = self.limit
        return range(first, first + count), tables.read(row, first, count)


class SearchedRecords(msgspec.Struct, frozen=True, gc=False):
    """What a search found."""

    numbers: Sequence[int]
    records: Sequence[FrameRecord]
    scanned_to: int
    is_complete: bool


class SearchFrames(OneSession[SearchedRecords], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    wanted: WantedFrames
    after: int
    limit: int
    incarnation: str | None = None
    """That the session must have; None for any."""

    def apply(self, tables: Tables, /) -> SearchedRecords:
        row = rules.require(tables, self.session_id)
        rules.check_incarnation(row, self.incarnation)
        first, last = max(self.after, row.last_seq - row.frame_count) + 1, row.last_seq
        if first > last:
            return SearchedRecords((), (), max(self.after, last), True)
        (numbers, records), to = tables.search(row, self.wanted, first, last, self.limit)
        return SearchedRecords(numbers, records, to, to == last)


class CountFrames(OneSession[int], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    stream: str | None = None

    def apply(self, tables: Tables, /) -> int:
        row = rules.require(tables, self.session_id)
        return row.frame_count if self.stream is None else tables.count_stream(row, self.stream)


class DeleteFrames(OneSession[int], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> int:
        return log_rules.clear_frames(tables, rules.require(tables, self.session_id))


class TrimFrames(OneSession[int], frozen=True, gc=False):
    up_to: int
    incarnation: str | None = None
    """That the session must have; None for any."""

    def apply(self, tables: Tables, /) -> int:
        row = rules.require(tables, self.session_id)
        rules.check_incarnation(row, self.incarnation)
        return log_rules.trim_frames(tables, row, self.up_to)


class RemoveFrames(OneSession[int], frozen=True, gc=False):
    seqs: Sequence[int]
    """In order, each once."""
    incarnation: str | None = None
    """That the session must have; None for any."""

    def apply(self, tables: Tables, /) -> int:
        row = rules.require(tables, self.session_id)
        rules.check_incarnation(row, self.incarnation)
        return log_rules.remove_frames(tables, row, self.seqs)


class RecordPage(msgspec.Struct, frozen=True, gc=False):
    """What a watcher finds when it looks."""

    number: int
    """Of the session's creation: another session of the same id is another one."""
    numbers: Sequence[int]
    """Of the records."""
    records: Sequence[FrameRecord]
    ended: bool
    """Whether no more frames will come."""
    proof: Proof = None
    """Of the last of these records; without records, of the frame they would follow."""


def proof_of(record: FrameRecord) -> Proof:
    """Return what identifies a frame to a watcher that read it."""
    return REMOVED if is_removed(record) else hash(record)


class ReadNewFrames(OneSession[RecordPage], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    number: int | None
    """The session watched so far; None when watching begins."""
    after: int
    limit: int
    proof: Proof = None
    """Of the frame it comes after, as it was when it was read."""
    stream: str | None = None
    """The stream that is watched; None for all frames."""
    incarnation: str | None = None
    """That the session must have when watching begins; None for any."""

    def means(self, row: SessionRow, /) -> bool:
        # In a view, a deleted session is over, even if its id is used again.
        return self.number is None or row.number == self.number

    def apply(self, tables: Tables, /) -> RecordPage:
        row = tables.find(self.session_id)
        if self.number is None:
            row = rules.require(tables, self.session_id)
            rules.check_incarnation(row, self.incarnation)
        elif row is None or row.number != self.number:
            return RecordPage(self.number, (), (), ended=True)
        last, (numbers, records) = self._read(tables, row)
        before: Proof = None
        if 0 < self.after <= row.last_seq:
            before = REMOVED if last is None else proof_of(last)
        if is_replaced(self.proof, before):
            raise LogReplaced(self.session_id, after=self.after)
        proof = proof_of(records[-1]) if records else before
        return RecordPage(row.number, numbers, records, row.ended_at is not None, proof)

    def _read(self, tables: Tables, row: SessionRow) -> tuple[FrameRecord | None, NumberedRecords]:
        """Return the frame it comes after, where that is still there, and those it asks for."""
        after = self.after
        if self.stream is not None:  # which need not be the stream of that frame
            there = row.last_seq - row.frame_count < after <= row.last_seq
            last = tables.read(row, after, 1)[0] if there else None
            look = ReadFrames(self.session_id, after, None, self.limit, False, self.stream)
            return last, look.apply(tables)
        look = ReadFrames(self.session_id, max(after - 1, 0), None, self.limit + 1, newest=False)
        numbers, records = look.apply(tables)
        if numbers and numbers[0] == after:
            return records[0], (numbers[1:], records[1:])
        return None, (numbers[: self.limit], records[: self.limit])
