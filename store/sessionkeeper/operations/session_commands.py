"""The operations on sessions as commands, named as the methods that send them.

A command is built by our own facade from checked arguments and is not validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from typing import ClassVar

from ..interface.atomic_store import Change
from ..values.errors import SessionError, SessionExists
from ..values.session import Session
from . import archive_rules
from . import session_rules as rules
from .change import apply_change, store_change
from .command import OneSession, StoreCommand
from .session_row import SessionRow, capture_sessions
from .tables import Tables

__all__ = [
    "ArchiveSession",
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ModifySession",
    "PutSession",
    "TouchSession",
    "UpdateSession",
    "UpdateSessionsBatch",
]


class CreateSession(StoreCommand[Session], frozen=True, gc=False):
    adds: ClassVar[bool] = True
    session: Session
    incarnation: str
    """Of the session if one is created: a command that is sent again creates the same one."""
    context: Context
    """The context of the caller, for listeners; so in every command that has one."""

    @property
    def touches(self) -> Sequence[str]:
        return ()  # none that is there already

    def apply(self, tables: Tables, /) -> Session:
        return _create(tables, self)


class GetOrCreateSession(StoreCommand[tuple[Session, bool]], frozen=True, gc=False):
    adds: ClassVar[bool] = True
    session: Session
    incarnation: str
    context: Context

    @property
    def touches(self) -> Sequence[str]:
        return (self.session.id,)

    def apply(self, tables: Tables, /) -> tuple[Session, bool]:
        row = tables.find(self.session.id)
        if row is not None:
            return row.snapshot(), False
        return _create(tables, self), True


def _create(tables: Tables, command: CreateSession | GetOrCreateSession) -> Session:
    row = rules.create_session(tables, command.session, command.incarnation, command.context)
    # Kept by the row: it takes less memory than what the caller made.
    return row.snapshot()


class PutSession(StoreCommand[Session], frozen=True, gc=False):
    adds: ClassVar[bool] = True
    session: Session
    incarnation: str
    context: Context

    @property
    def touches(self) -> Sequence[str]:
        return (self.session.id,)

    def hide(self, session_id: str, /) -> SessionError:
        # As for a new session: that an id is taken is all that a view learns.
        return SessionExists(session_id)

    def apply(self, tables: Tables, /) -> Session:
        return rules.put_session(tables, self.session, self.incarnation, self.context).snapshot()


class GetSession(OneSession[Session], frozen=True, gc=False):
    read_only: ClassVar[bool] = True

    def apply(self, tables: Tables, /) -> Session:
        # A call less where it is there: this is the operation that is asked most.
        row = tables.find(self.session_id) or rules.require(tables, self.session_id)
        return row.snapshot()


class GetSessionsBatch(StoreCommand[Sequence[Session]], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    store_wide: ClassVar[bool] = False
    session_ids: Sequence[str]

    @property
    def touches(self) -> Sequence[str]:
        return self.session_ids

    def check_first(self, tables: Tables, count: int, /) -> None:
        for session_id in self.session_ids[:count]:
            rules.require(tables, session_id)

    def apply(self, tables: Tables, /) -> Sequence[Session]:
        return capture_sessions(rules.require(tables, each) for each in self.session_ids)


class UpdateSession(StoreCommand[Session], frozen=True, gc=False):
    store_wide: ClassVar[bool] = False
    session: Session
    context: Context

    @property
    def touches(self) -> Sequence[str]:
        return (self.session.id,)

    def apply(self, tables: Tables, /) -> Session:
        row = rules.require(tables, self.session.id)
        rules.check_revision(row, self.session)
        rules.check_change(tables, row, self.session)
        rules.change_session(tables, row, self.session, self.context)
        return row.snapshot()


class UpdateSessionsBatch(StoreCommand[Sequence[Session]], frozen=True, gc=False):
    store_wide: ClassVar[bool] = False
    sessions: Sequence[Session]
    context: Context

    @property
    def touches(self) -> Sequence[str]:
        return [session.id for session in self.sessions]

    def check_first(self, tables: Tables, count: int, /) -> None:
        self._checked(tables, self.sessions[:count])

    def apply(self, tables: Tables, /) -> Sequence[Session]:
        rows = self._checked(tables, self.sessions)
        for session in self.sessions:
            rules.change_session(tables, rows[session.id], session, self.context)
        return capture_sessions(rows.values())

    def _checked(self, tables: Tables, sessions: Sequence[Session]) -> dict[str, SessionRow]:
        rows: dict[str, SessionRow] = {}
        for session in sessions:
            row = rules.require(tables, session.id)
            rules.check_revision(row, session)
            rules.check_change(tables, row, session)
            rows[session.id] = row
        return rows


class ModifySession(OneSession[Session], frozen=True, gc=False):
    change: Change
    context: Context
    """The caller's: what `change` reads from context variables is what its caller set."""

    def apply(self, tables: Tables, /) -> Session:
        row = rules.require(tables, self.session_id)
        changed = apply_change(tables, row, self.change, self.context)
        if changed is not None:
            store_change(tables, row, changed, self.context)
            del changed  # so that the row is its only holder
        return row.snapshot()


class ArchiveSession(StoreCommand[Session], frozen=True, gc=False):
    store_wide: ClassVar[bool] = False
    session: Session
    expected_last_seq: int
    context: Context

    @property
    def touches(self) -> Sequence[str]:
        return (self.session.id,)

    def apply(self, tables: Tables, /) -> Session:
        row = rules.require_live(tables, self.session.id)
        archive_rules.check_archive(tables, row, self.session, self.expected_last_seq)
        archive_rules.archive_session(tables, row, self.session, self.context)
        return row.snapshot()


class TouchSession(OneSession[None], frozen=True, gc=False):
    def apply(self, tables: Tables, /) -> None:
        row = rules.require_live(tables, self.session_id)
        rules.touch(tables, row)


class DeleteSession(OneSession[None], frozen=True, gc=False):
    store_wide: ClassVar[bool] = True
    context: Context

    def apply(self, tables: Tables, /) -> None:
        rules.delete_session(tables, rules.require(tables, self.session_id), self.context)
