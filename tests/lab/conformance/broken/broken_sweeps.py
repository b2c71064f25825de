"""Stores that are wrong in one detail of sweeping, searching, watching or a principal's view."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self, cast

from sessionkeeper import (
    Change,
    Clock,
    FrameWatcher,
    Guarantees,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionOrder,
    SessionPage,
    SessionQuery,
    StoreLimits,
    StoreStatistics,
)
from sessionkeeper.interface.frame_watcher import LogPage
from sessionkeeper.stores.facade import CommandStore
from sessionkeeper.stores.principal import PrincipalStore

from tests.lab.conformance.broken.breaking import breaking


class NoLimit(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        return await super().expire_sessions(idle=idle, age=age, limit=max(limit, 100))

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        return await super().purge_sessions(
            ended_before=ended_before, ended_for=ended_for, limit=max(limit, 100)
        )


class IdleIsAge(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        return await super().expire_sessions(age=idle if age is None else age, limit=limit)


class AgeIsIdle(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        return await super().expire_sessions(idle=age if idle is None else idle, limit=limit)


class WallAges(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(
            limits=limits, clock=None if clock is None else Clock(clock.wall, clock.wall)
        )


class EndsAgain(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        await super().expire_sessions(idle=idle, age=age, limit=limit)
        return [each for each in await self.list_sessions() if each.ended_at is not None]


class EndsEarly(PlainSessionStore):
    """Its own moment is rounded to a second: a sweep ends a session before it."""

    async def update_session(self, session: Session, /) -> Session:
        return await super().update_session(_rounded(session))

    async def create_session(self, session: Session, /) -> Session:
        return await super().create_session(_rounded(session))


def _rounded(session: Session) -> Session:
    moment = session.expires_at
    if moment is None:
        return session
    return session.model_copy(update={"expires_at": moment - timedelta(microseconds=500_000)})


class SparesTouched(PlainSessionStore):
    """A session that was used lately is not ended, though its own moment has passed."""

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        if idle is None and age is None:
            for row in [*self._tables.rows()]:
                if row.frame_count:
                    self._tables._by_expiry.remove(row)
        return await super().expire_sessions(idle=idle, age=age, limit=limit)


class ForgetsMoved(PlainSessionStore):
    """An update leaves the order of `expires_at` as it was."""

    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        setattr(self._tables, "note_expiry", lambda row: None)  # noqa: B010


class FinerThanShown(PlainSessionStore):
    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        if ended_before is not None:
            ended_before += timedelta(microseconds=1)
        return await super().purge_sessions(
            ended_before=ended_before, ended_for=ended_for, limit=limit
        )


class AnyCursor(PlainSessionStore):
    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        known = cursor is not None and cursor.isdigit()
        return await super().find_sessions(
            query, order=order, cursor=cursor if known else None, limit=limit
        )


class OldPages(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self.pages: dict[object, SessionPage] = {}

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        page = await super().find_sessions(query, order=order, cursor=cursor, limit=limit)
        shown = [each.model_copy(update={"frame_count": 0}) for each in page.sessions]
        return replace(page, sessions=tuple(shown))


class SilentWatch(PlainSessionStore):
    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        read_page = super().watch_frames(session_id, after=after, **options)._read_page

        async def silent(number: int | None, after: int) -> LogPage:
            if self._tables.find(session_id) is None:
                return LogPage(0, (), ended=True)
            return await read_page(number, after)

        return FrameWatcher(silent, self._wakeups, session_id, after)


class Staying(FrameWatcher):
    async def aclose(self) -> None:
        return


class NeverLeaves(PlainSessionStore):
    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        read_page = super().watch_frames(session_id, after=after, **options)._read_page
        return Staying(read_page, self._wakeups, session_id, after)


class OpenView(PrincipalStore):
    def __init__(self, store: CommandStore, principal: str) -> None:
        super().__init__(store, principal)
        self._store = store

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return await self._store.get_frames(session_id)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        await self.get_session(session_id)
        return await self._store.modify_session(session_id, change)

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        return await self._store.find_sessions(query, order=order, cursor=cursor, limit=limit)

    async def statistics(self) -> StoreStatistics:
        return await self._store.statistics()

    async def aclose(self, *, timeout: float | None = None) -> None:
        cast("Any", self._store).closed = True


class ViewOfAll(PlainSessionStore):
    closed = False

    @property
    def is_open(self) -> bool:
        return not self.closed

    def for_principal(self, principal: str, /) -> PrincipalStore:
        return OpenView(cast("CommandStore", self), principal)


class Another(PlainSessionStore):
    async def __aenter__(self) -> Self:
        return self if not self._tables.counters.sessions and self.first() else type(self)()

    def first(self) -> bool:
        """Whether this is the fixture's own entering."""
        self.entered = getattr(self, "entered", 0) + 1
        return self.entered == 1


class SaysNothing(PlainSessionStore):
    guarantees = cast("Guarantees", "linearizable")


TestNoLimit = breaking(
    NoLimit, "test_a_sweep_ends_at_most_its_limit", "test_those_that_ended_first_go_first"
)
TestIdleIsAge = breaking(IdleIsAge, "test_idle_counts_from_the_last_activity")
TestAgeIsIdle = breaking(AgeIsIdle, "test_age_counts_from_creation")
TestWallAges = breaking(
    WallAges, "test_a_jump_of_the_wall_clock_ends_no_session", "test_retention_counts_from_the_end"
)
TestEndsAgain = breaking(EndsAgain, "test_ended_sessions_never_expire")
TestEndsEarly = breaking(
    EndsEarly,
    "test_a_session_ends_after_its_own_moment",
    "test_its_own_moment_counts_by_the_wall_clock",
)
TestSparesTouched = breaking(
    SparesTouched,
    "test_a_session_ends_after_its_own_moment",
    "test_its_own_moment_counts_by_the_wall_clock",
)
TestForgetsMoved = breaking(
    ForgetsMoved,
    "test_a_session_ends_after_its_own_moment",
    "test_its_own_moment_counts_by_the_wall_clock",
)
TestFinerThanShown = breaking(FinerThanShown, "test_a_moment_is_as_it_is_shown")
TestAnyCursor = breaking(AnyCursor, "test_a_cursor_is_the_stores_own")
TestOldPages = breaking(OldPages, "test_it_finds_sessions_as_they_are")
TestSilentWatch = breaking(SilentWatch, "test_an_unknown_session_cannot_be_watched")
TestNeverLeaves = breaking(NeverLeaves, "test_leaving_it_ends_a_step_that_waits", patience=0.5)
TestViewOfAll = breaking(
    ViewOfAll,
    "test_sessions_of_another_principal_are_not_found",
    "test_a_view_cannot_give_a_session_away",
    "test_a_search_finds_its_own",
    "test_a_view_refuses_operations_on_the_whole_store",
    "test_closing_a_view_closes_nothing",
)
TestAnother = breaking(Another, "test_an_open_store_can_be_entered")
TestSaysNothing = breaking(SaysNothing, "test_guarantees_are_declared")
