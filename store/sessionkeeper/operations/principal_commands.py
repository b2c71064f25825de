"""The same commands in the view of one principal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from ..values.session import Session
from .command import StoreCommand
from .session_row import capture_sessions
from .tables import Tables

__all__ = ["CountOwnSessions", "ListOwnSessions", "Scoped"]

R = TypeVar("R")


class Scoped(StoreCommand[R], frozen=True, gc=False):
    """A command that is applied only if all sessions it touches belong to the principal."""

    command: StoreCommand[R]
    touched: Sequence[str]
    principal: str
    weight: int

    @property
    def read_only(self) -> bool:  # type: ignore[override]  # as the command is
        return self.command.read_only

    @property
    def adds(self) -> bool:  # type: ignore[override]  # as the command does
        return self.command.adds

    @property
    def store_wide(self) -> bool:  # type: ignore[override]  # as the command is
        return self.command.store_wide

    def apply(self, tables: Tables, /) -> R:
        for place, session_id in enumerate(self.touched):
            row = tables.find(session_id)
            # What is not there, or no more, the command itself will say.
            if row is None or not self.command.means(row):
                continue
            if row.session.principal != self.principal:
                # And before this one, what it says of those before one that is not there.
                self.command.check_first(tables, place)
                raise self.command.hide(session_id)
        return self.command.apply(tables)


class ListOwnSessions(StoreCommand[Sequence[Session]], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    principal: str

    @property
    def touches(self) -> Sequence[str]:
        return ()  # others are passed over

    def apply(self, tables: Tables, /) -> Sequence[Session]:
        of = self.principal
        own = (row for row in tables.rows() if row.session.principal == of)
        return capture_sessions(own)


class CountOwnSessions(StoreCommand[int], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    principal: str

    @property
    def touches(self) -> Sequence[str]:
        return ()

    def apply(self, tables: Tables, /) -> int:
        return tables.counters.count_own_sessions(self.principal)
