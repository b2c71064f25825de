"""The operations of a store as commands, named as the methods that send them.

A command is built by our own facade from checked arguments and is not validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

from soleowner import CallerError

from . import rules
from .atomic import Change
from .records import FrameRecord
from .rows import SessionRow
from .session import Session
from .statistics import TableStatistics
from .store_command import StoreCommand
from .tables import Tables

__all__ = [
    # sessions
    "CountSessions",
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ListSessions",
    "ModifySession",
    "TouchSession",
    "UpdateSession",
    "UpdateSessionsBatch",
    # frames
    "AddFrame",
    "AddFrames",
    "CountFrames",
    "DeleteFrames",
    "ReadFrames",
    # the store
    "ReadStatistics",
]


class CreateSession(StoreCommand[Session], frozen=True, gc=False):
    session: Session

    def apply(self, tables: Tables, /) -> Session:
        return rules.create_session(tables, self.session).snapshot()


class GetOrCreateSession(StoreCommand[tuple[Session, bool]], frozen=True, gc=False):
    session: Session

    def apply(self, tables: Tables, /) -> tuple[Session, bool]:
        row = tables.find(self.session.id)
        if row is not None:
            return row.snapshot(), False
        return rules.create_session(tables, self.session).snapshot(), True


class GetSession(StoreCommand[Session], frozen=True, gc=False):
    session_id: str

    def apply(self, tables: Tables, /) -> Session:
        return rules.require(tables, self.session_id).snapshot()


class GetSessionsBatch(StoreCommand[list[Session]], frozen=True, gc=False):
    session_ids: Sequence[str]

    def apply(self, tables: Tables, /) -> list[Session]:
        return [rules.require(tables, session_id).snapshot() for session_id in self.session_ids]


class UpdateSession(StoreCommand[Session], frozen=True, gc=False):
    session: Session

    def apply(self, tables: Tables, /) -> Session:
        row = rules.require(tables, self.session.id)
        rules.check_revision(row, self.session)
        rules.check_change(tables, row, self.session)
        rules.change_session(tables, row, self.session)
        return row.snapshot()


class UpdateSessionsBatch(StoreCommand[list[Session]], frozen=True, gc=False):
    sessions: Sequence[Session]

    def apply(self, tables: Tables, /) -> list[Session]:
        rows: dict[str, SessionRow] = {}
        for session in self.sessions:
            row = rules.require(tables, session.id)
            rules.check_revision(row, session)
            rules.check_change(tables, row, session)
            rows[session.id] = row
        for session in self.sessions:
            rules.change_session(tables, rows[session.id], session)
        return [row.snapshot() for row in rows.values()]


class ModifySession(StoreCommand[Session], frozen=True, gc=False):
    session_id: str
    change: Change
    context: Context
    """The caller's: what `change` reads from context variables is what its caller set."""

    def apply(self, tables: Tables, /) -> Session:
        row = rules.require(tables, self.session_id)
        changed = apply_change(tables, row, self.change, self.context)
        if changed is not None:
            rules.change_session(tables, row, changed)
        return row.snapshot()


class TouchSession(StoreCommand[None], frozen=True, gc=False):
    session_id: str

    def apply(self, tables: Tables, /) -> None:
        row = rules.require_live(tables, self.session_id)
        rules.touch(tables, row)


class DeleteSession(StoreCommand[None], frozen=True, gc=False):
    session_id: str

    def apply(self, tables: Tables, /) -> None:
        rules.delete_session(tables, rules.require(tables, self.session_id))


class ListSessions(StoreCommand[list[Session]], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> list[Session]:
        return [row.snapshot() for row in tables.rows()]


class CountSessions(StoreCommand[int], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> int:
        return tables.session_count


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


class ReadStatistics(StoreCommand[TableStatistics], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> TableStatistics:
        return TableStatistics(
            sessions=tables.sessions_by_state(),
            frames=tables.total_frames,
            bytes=tables.total_bytes,
        )


def apply_change(
    tables: Tables, row: SessionRow, change: Change, context: Context
) -> Session | None:
    """Run the caller's function on a session and check its result; None if it changes nothing.

    Raises `CallerError` for whatever the caller's code did wrong.
    """
    current = row.snapshot()
    try:
        changed = context.run(change, current)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise CallerError(error) from None
    if changed is current:
        return None
    if type(changed) is not Session:
        raise CallerError(TypeError(f"change returns a Session, not {type(changed).__name__}"))
    if changed.id != current.id:
        raise CallerError(ValueError("change returned another session"))
    rules.check_change(tables, row, changed)
    return changed
