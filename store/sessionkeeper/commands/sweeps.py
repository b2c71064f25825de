"""The operations on many sessions as commands, named as the methods that send them."""

from __future__ import annotations

from .. import sweeping
from ..query import SessionPage, SessionQuery
from ..session import Session
from ..store_command import StoreCommand
from ..tables import Tables

__all__ = ["ExpireSessions", "FindSessions", "PurgeSessions"]


class FindSessions(StoreCommand[SessionPage], frozen=True, gc=False):
    query: SessionQuery
    after: int
    limit: int

    def apply(self, tables: Tables, /) -> SessionPage:
        return sweeping.find_sessions(tables, self.query, self.after, self.limit)


class ExpireSessions(StoreCommand[list[Session]], frozen=True, gc=False):
    idle: float | None
    age: float | None
    limit: int

    def apply(self, tables: Tables, /) -> list[Session]:
        return sweeping.expire_sessions(tables, self.idle, self.age, self.limit)


class PurgeSessions(StoreCommand[int], frozen=True, gc=False):
    ended_before: float
    limit: int

    def apply(self, tables: Tables, /) -> int:
        return sweeping.purge_sessions(tables, self.ended_before, self.limit)
