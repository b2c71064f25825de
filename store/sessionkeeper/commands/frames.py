"""The operations on frames as commands, named as the methods that send them.

A command is built by our own facade from checked arguments and is not validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

import msgspec

from .. import rules, sweeping
from ..atomic import Change
from ..records import FrameRecord
from ..store_command import StoreCommand
from ..tables import Tables
from .change import apply_change

__all__ = [
    "News",
    "ReadNews",
    "TrimFrames",
    "AddFrame",
    "AddFrames",
    "CountFrames",
    "DeleteFrames",
    "ReadFrames",
]


class AddFrame(StoreCommand[int], frozen=True, gc=False):
    session_id: str
    record: FrameRecord
    weight: int
    """Bytes of the message."""

    def apply(self, tables: Tables, /) -> int:
        row = rules.require_live(tables, self.session_id)
        records = (self.record,)
        rules.check_append(tables, row, records, self.weight, None)
        return rules.append_frames(tables, row, records, self.weight)


class AddFrames(StoreCommand[range], frozen=True, gc=False):
    session_id: str
    records: Sequence[FrameRecord]
    expected_last_seq: int | None
    change: Change | None
    context: Context
    weight: int

    def apply(self, tables: Tables, /) -> range:
        row = rules.require_live(tables, self.session_id)
        rules.check_append(tables, row, self.records, self.weight, self.expected_last_seq)
        changed = None
        if self.change is not None:
            changed = apply_change(tables, row, self.change, self.context)
        last = rules.append_frames(tables, row, self.records, self.weight)
        if changed is not None:
            rules.change_session(tables, row, changed)
        return range(last - len(self.records) + 1, last + 1)


class ReadFrames(StoreCommand[tuple[int, Sequence[FrameRecord]]], frozen=True, gc=False):
    """The number of the first record read, and the records."""

    session_id: str
    after: int
    limit: int | None
    newest: bool

    def apply(self, tables: Tables, /) -> tuple[int, Sequence[FrameRecord]]:
        row = rules.require(tables, self.session_id)
        first = max(self.after, row.last_seq - row.frame_count) + 1
        count = max(0, row.last_seq - first + 1)
        if self.limit is not None and self.limit < count:
            if self.newest:
                first = row.last_seq - self.limit + 1
            count = self.limit
        return first, tables.read(row, first, count)


class CountFrames(StoreCommand[int], frozen=True, gc=False):
    session_id: str

    def apply(self, tables: Tables, /) -> int:
        return rules.require(tables, self.session_id).frame_count


class DeleteFrames(StoreCommand[int], frozen=True, gc=False):
    session_id: str

    def apply(self, tables: Tables, /) -> int:
        return rules.clear_frames(tables, rules.require(tables, self.session_id))


class TrimFrames(StoreCommand[int], frozen=True, gc=False):
    session_id: str
    up_to: int

    def apply(self, tables: Tables, /) -> int:
        return sweeping.trim_frames(tables, rules.require(tables, self.session_id), self.up_to)


class News(msgspec.Struct, frozen=True, gc=False):
    """What a watcher finds when it looks."""

    number: int
    """Of the session's creation: another session of the same id is another one."""
    first: int
    records: Sequence[FrameRecord]
    over: bool
    """Nothing more will come."""


class ReadNews(StoreCommand[News], frozen=True, gc=False):
    session_id: str
    number: int | None
    """The session watched so far; None when watching begins."""
    after: int
    limit: int

    def apply(self, tables: Tables, /) -> News:
        row = tables.find(self.session_id)
        if self.number is None:
            row = rules.require(tables, self.session_id)
        elif row is None or row.number != self.number:
            return News(self.number, self.after + 1, (), over=True)
        look = ReadFrames(self.session_id, self.after, self.limit, newest=False)
        first, records = look.apply(tables)
        return News(row.number, first, records, over=row.ended_at is not None)
