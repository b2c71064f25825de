"""The operations on sessions as commands, named as the methods that send them.

A command is built by our own facade from checked arguments and is not validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

from .. import rules
from ..atomic import Change
from ..rows import SessionRow
from ..session import Session
from ..statistics import TableStatistics
from ..store_command import StoreCommand
from ..tables import Tables
from .change import apply_change

__all__ = [
    "CountSessions",
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ListSessions",
    "ModifySession",
    "ReadStatistics",
    "TouchSession",
    "UpdateSession",
    "UpdateSessionsBatch",
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


class ReadStatistics(StoreCommand[TableStatistics], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> TableStatistics:
        return TableStatistics(
            sessions=tables.sessions_by_state(),
            frames=tables.total_frames,
            bytes=tables.total_bytes,
        )
