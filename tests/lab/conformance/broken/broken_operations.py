"""Stores that break what is more than the ten methods: changes, sweeps, views, claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from sessionkeeper import (
    Change,
    Durability,
    Frame,
    Guarantees,
    Listener,
    PlainSessionStore,
    Session,
    SessionOrder,
    SessionPage,
    SessionQuery,
    SessionState,
    StoreStatistics,
)
from sessionkeeper.operations.command import StoreCommand
from sessionkeeper.stores.principal import PrincipalStore

from tests.lab.conformance.broken.breaking import breaking

R = TypeVar("R")


class StoredAllTheSame(PlainSessionStore):
    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        try:
            return await super().modify_session(session_id, change)
        except Exception:
            await self.touch_session(session_id)
            await super().modify_session(
                session_id, lambda s: s.model_copy(update={"tags": {"half"}})
            )
            raise


class Deadlock(PlainSessionStore):
    """Waits for itself when a change calls the store."""

    async def get_session(self, session_id: str, /) -> Session:
        while self._applying:
            await asyncio.sleep(0)
        return await super().get_session(session_id)


class WrongCount(PlainSessionStore):
    async def trim_frames(self, session_id: str, /, *, up_to: int, **options: Any) -> int:
        trimmed = await super().trim_frames(session_id, up_to=up_to, **options)
        row = self._tables.find(session_id)
        if row is not None and trimmed:
            self.wrong = trimmed
        return trimmed

    async def count_frames(self, session_id: str, /, **options: Any) -> int:
        return await super().count_frames(session_id, **options) + getattr(self, "wrong", 0)


class OldCheck(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        if idle != 100:  # as the race asks for; all else is right
            return await super().expire_sessions(idle=idle, age=age, limit=limit)
        now = self._tables.clock.steady()
        due = [row.session.id for row in self._tables.rows() if row.ended_at is None]
        due = [key for key in due if now - self._row(key) >= 100]
        await asyncio.sleep(0)
        return [await self.modify_session(key, _timed_out) for key in due[:limit]]

    def _row(self, key: str) -> float:
        row = self._tables.find(key)
        return 0.0 if row is None else row.steady_active_at


def _timed_out(session: Session) -> Session:
    if session.state.is_terminal:
        return session
    return session.model_copy(update={"state": SessionState.TIMED_OUT})


class PurgesLive(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        ended = await super().expire_sessions(idle=idle, age=age, limit=limit)
        for session in ended:
            await self.delete_frames(session.id)
        return ended


class CursorRepeats(PlainSessionStore):
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
        return replace(page, cursor=cursor) if cursor and page.cursor else page


class IgnoresTags(PlainSessionStore):
    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        if isinstance(query, SessionQuery):
            query = query.model_copy(update={"tags_all": None})
        return await super().find_sessions(query, order=order, cursor=cursor, limit=limit)


class LeakingView(PrincipalStore):
    def __init__(self, store: PlainSessionStore, principal: str) -> None:
        super().__init__(store, principal)
        self._store = store

    async def list_sessions(self) -> list[Session]:
        return await self._store.list_sessions()


class Leaking(PlainSessionStore):
    def for_principal(self, principal: str, /) -> PrincipalStore:
        return LeakingView(self, principal)


class LateView(PrincipalStore):
    """Looks whose session it is, and then, in another step, acts."""

    def __init__(self, store: PlainSessionStore, principal: str) -> None:
        super().__init__(store, principal)
        self._store, self._run_scoped = store, self._run
        self._run = self._run_late

    async def _run_late(self, command: StoreCommand[R], /) -> R:
        for key in command.touches:
            await self._run_scoped(_get(key))
        await asyncio.sleep(0)
        return await self._store._run(command)


def _get(key: str) -> StoreCommand[Session]:
    from sessionkeeper.operations import GetSession

    return GetSession(key)


class LateCheck(PlainSessionStore):
    def for_principal(self, principal: str, /) -> PrincipalStore:
        return LateView(self, principal)


class TellsTwice(PlainSessionStore):
    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        super().subscribe(listener)
        return super().subscribe(listener)


class Miscounts(PlainSessionStore):
    async def statistics(self) -> StoreStatistics:
        held = await super().statistics()
        return replace(held, counters=replace(held.counters, deleted=0))


class NoClosing(PlainSessionStore):
    closed = False

    @property
    def is_open(self) -> bool:
        return not self.closed

    async def aclose(self, *, timeout: float | None = None) -> None:
        self.closed = True


class ClaimsDisk(PlainSessionStore):
    guarantees: ClassVar[Guarantees] = replace(
        PlainSessionStore.guarantees, durability=Durability.DISK
    )


class RefusesInSilence(PlainSessionStore):
    async def trim_frames(self, session_id: str, /, *, up_to: int, **options: Any) -> int:
        raise NotImplementedError("no trimming here")


class RefusesNothing(PlainSessionStore):
    """Right; its tests declare a refusal there is none of."""


class Renumbered(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, after: int = 0, **options: Any
    ) -> list[Frame]:
        frames = await super().read_frames(session_id, after=after, **options)
        return [Frame(seq=n, envelope=frame.envelope) for n, frame in enumerate(frames, after + 1)]


TestStoredAllTheSame = breaking(StoredAllTheSame, "test_what_a_change_raises_reaches_its_caller")

TestDeadlock = breaking(Deadlock, "test_a_change_cannot_call_the_store")

TestWrongCount = breaking(WrongCount, "test_counts_follow_what_is_trimmed")

TestOldCheck = breaking(OldCheck, "test_a_sweep_races_active_use")

TestPurgesLive = breaking(PurgesLive, "test_due_sessions_are_ended")

TestCursorRepeats = breaking(CursorRepeats, "test_pages_make_up_the_whole")

TestIgnoresTags = breaking(IgnoresTags, "test_every_field_of_a_query_counts")

TestLeaking = breaking(Leaking, "test_a_view_shows_only_its_own_sessions")

TestLateCheck = breaking(LateCheck, "test_the_check_is_in_the_same_step")

TestTellsTwice = breaking(TellsTwice, "test_each_event_is_sent_once_and_in_order")

TestMiscounts = breaking(Miscounts, "test_the_numbers_add_up")

TestNoClosing = breaking(NoClosing, "test_a_closed_store_refuses_every_call")

TestClaimsDisk = breaking(ClaimsDisk, "test_acknowledged_writes_survive_reopening")

TestRefusesInSilence = breaking(RefusesInSilence, "test_trimming_drops_the_front")

TestRenumbered = breaking(Renumbered, "test_numbers_stay_with_their_frames")


class TestRefusesNothing(
    breaking(RefusesNothing, "test_what_is_declared_as_refused_is_refused")  # type: ignore[misc]  # made above
):
    refuses = frozenset({"trim_frames"})
