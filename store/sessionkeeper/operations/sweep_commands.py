"""The operations on all sessions as commands, named as the methods that send them."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from typing import ClassVar

from ..values.query import SessionQuery
from ..values.session import Session
from ..values.statistics import TableStatistics
from . import sweep_rules as sweeping
from .command import StoreCommand
from .newest_first import Place
from .session_row import capture_sessions
from .sweep_rules import FoundSessions
from .tables import Tables

__all__ = [
    "CountSessions",
    "ExpireSessions",
    "FindSessionsByActivity",
    "FindSessions",
    "ListSessions",
    "PurgeSessions",
    "ReadStatistics",
]


class ListSessions(StoreCommand[Sequence[Session]], frozen=True, gc=False):
    read_only: ClassVar[bool] = True

    def apply(self, tables: Tables, /) -> Sequence[Session]:
        return capture_sessions(tables.rows())


class CountSessions(StoreCommand[int], frozen=True, gc=False):
    read_only: ClassVar[bool] = True

    def apply(self, tables: Tables, /) -> int:
        return tables.counters.sessions


class ReadStatistics(StoreCommand[TableStatistics], frozen=True, gc=False):
    read_only: ClassVar[bool] = True

    def apply(self, tables: Tables, /) -> TableStatistics:
        counters = tables.counters
        return TableStatistics(
            sessions=counters.by_state(),
            frames=counters.frames,
            bytes=counters.bytes,
            counters=counters.counters(),
            file=tables.file(),
        )


class FindSessions(StoreCommand[FoundSessions], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    query: SessionQuery
    after: int
    limit: int

    @property
    def touches(self) -> Sequence[str]:
        return ()  # the query says whose

    def apply(self, tables: Tables, /) -> FoundSessions:
        return sweeping.find_sessions(tables, self.query, self.after, self.limit)


class FindSessionsByActivity(StoreCommand[FoundSessions], frozen=True, gc=False):
    read_only: ClassVar[bool] = True
    query: SessionQuery
    after: Place | None
    limit: int

    @property
    def touches(self) -> Sequence[str]:
        return ()  # the query says whose

    def apply(self, tables: Tables, /) -> FoundSessions:
        return sweeping.find_by_activity(tables, self.query, self.after, self.limit)


class ExpireSessions(StoreCommand[list[Session]], frozen=True, gc=False):
    idle: float | None
    age: float | None
    limit: int
    context: Context

    def apply(self, tables: Tables, /) -> list[Session]:
        return sweeping.expire_sessions(tables, self.idle, self.age, self.limit, self.context)


class PurgeSessions(StoreCommand[int], frozen=True, gc=False):
    ended_before: float
    """By the wall clock."""
    ended_for: float
    """By the steady one."""
    limit: int
    context: Context

    def apply(self, tables: Tables, /) -> int:
        return sweeping.purge_sessions(
            tables, self.ended_before, self.ended_for, self.limit, self.context
        )
