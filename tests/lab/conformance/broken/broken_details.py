"""Stores that are wrong in one detail of a session or a change, or take anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from itertools import count
from typing import Any, cast

from sessionkeeper import (
    Change,
    Clock,
    PlainSessionStore,
    Session,
    SessionNotFound,
    StoreLimits,
)

from tests.lab.conformance.broken.breaking import breaking


class KeepsTheOld(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        current = await self.get_session(session.id)
        return await super().update_session(session.model_copy(update={"tags": current.tags}))


class LastWins(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        current = await self.get_session(session.id)
        return await super().update_session(
            session.model_copy(update={"revision": current.revision})
        )


class CounterOfEach(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        self._tables.counters._revision = 0
        return await super().create_session(session)


class NoEnd(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        return (await super().update_session(session)).model_copy(update={"ended_at": None})


class BackInTime(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        seconds = count(1_700_000_000, -1)
        super().__init__(limits=limits, clock=Clock(wall=lambda: float(next(seconds))))


class OneMore(PlainSessionStore):
    async def count_sessions(self) -> int:
        return await super().count_sessions() + 1


class SkipsUnknown(PlainSessionStore):
    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        return [each for each in await self.list_sessions() if each.id in session_ids]


class AnswersSorted(PlainSessionStore):
    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        stored = await super().update_sessions_batch(sessions)
        return sorted(stored, key=lambda session: session.id)


class DeletesTwice(PlainSessionStore):
    async def delete_session(self, session_id: str, /) -> None:
        await self.get_session(session_id)
        await asyncio.sleep(0)
        try:
            await super().delete_session(session_id)
        except SessionNotFound:
            return


class Upsert(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        await self.get_session(session.id)
        await asyncio.sleep(0)
        try:
            return await super().update_session(session)
        except SessionNotFound:
            return await self.create_session(session)


class Changing(PlainSessionStore):
    """Runs a change in a wrong way."""

    def run(self, change: Change, session: Session) -> Session:
        """Run it."""
        raise NotImplementedError

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        return await super().modify_session(session_id, lambda session: self.run(change, session))


class ForgetsChange(Changing):
    def run(self, change: Change, session: Session) -> Session:
        change(session)
        return session


class OldForChange(Changing):
    first: Session | None = None

    def run(self, change: Change, session: Session) -> Session:
        self.first = self.first or session.model_copy(update={"tags": frozenset()})
        return change(self.first)


class OtherContext(Changing):
    def run(self, change: Change, session: Session) -> Session:
        return Context().run(change, session)


class MutableForChange(Changing):
    def run(self, change: Change, session: Session) -> Session:
        return change(Session.trusted({**session.__dict__, "metadata": {**session.metadata}}))


class TrustsChange(PlainSessionStore):
    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        kept: list[Session] = []
        await super().modify_session(session_id, lambda s: kept.append(change(s)) or kept[-1])  # type: ignore[func-returns-value]  # on purpose
        row = self._tables.find(session_id)
        assert row is not None
        row.last_seq, row._is_current = kept[-1].last_seq, False
        return row.snapshot()


class AlwaysCreated(PlainSessionStore):
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return (await super().get_or_create_session(session))[0], True


class Lax(PlainSessionStore):
    """Takes whatever it is given, and says nothing."""


def _lax(method: Callable[..., Any]) -> Callable[..., Any]:
    async def lax(self: object, *args: object, **kwargs: object) -> object:
        try:
            return await method(self, *args, **kwargs)
        except (TypeError, ValueError):
            return None

    return lax


IDS = ("get_session", "delete_session", "get_frames", "delete_frames", "count_frames")

OTHERS = ("get_sessions_batch", "update_sessions_batch", "touch_session", "read_frames")

SWEEPS = ("find_sessions", "expire_sessions", "purge_sessions")

for _name in (*IDS, *OTHERS, *SWEEPS):
    setattr(Lax, _name, _lax(getattr(PlainSessionStore, _name)))

for _name in ("subscribe", "for_principal"):
    setattr(Lax, _name, cast("Any", lambda self, _: asyncio.sleep(0)))

TestKeepsTheOld = breaking(KeepsTheOld, "test_update_replaces_the_callers_fields")

TestLastWins = breaking(LastWins, "test_a_stale_snapshot_is_refused")

TestCounterOfEach = breaking(CounterOfEach, "test_revisions_come_from_one_counter")

TestNoEnd = breaking(NoEnd, "test_an_ended_session_has_ended_at")

TestBackInTime = breaking(
    BackInTime,
    "test_activity_moves_forward",
    "test_touching_sets_the_time_and_nothing_else",
)

TestOneMore = breaking(OneMore, "test_a_new_store_is_empty")

TestSkipsUnknown = breaking(
    SkipsUnknown,
    "test_one_unknown_session_fails_the_batch",
    "test_sessions_come_in_the_order_asked",
)

TestAnswersSorted = breaking(AnswersSorted, "test_updated_sessions_are_answered")

TestDeletesTwice = breaking(DeletesTwice, "test_deleting_happens_once")

TestUpsert = breaking(Upsert, "test_a_late_update_brings_nothing_back")

TestForgetsChange = breaking(ForgetsChange, "test_a_change_is_stored")

TestOldForChange = breaking(OldForChange, "test_a_change_never_conflicts")

TestOtherContext = breaking(OtherContext, "test_a_change_runs_in_its_callers_context")

TestMutableForChange = breaking(MutableForChange, "test_a_change_is_given_a_snapshot")

TestTrustsChange = breaking(TrustsChange, "test_a_change_sets_nothing_of_the_stores")

TestAlwaysCreated = breaking(AlwaysCreated, "test_get_or_create_says_whether_it_created")

TestLax = breaking(
    Lax,
    "test_wrong_arguments_are_refused_at_the_call[delete_session]",
    "test_wrong_arguments_are_refused_at_the_call[get_frames]",
    "test_wrong_arguments_are_refused_at_the_call[delete_frames]",
    "test_wrong_arguments_are_refused_at_the_call[count_frames]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[get_sessions_batch]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[update_sessions_batch]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[touch_session]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[read_frames]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[find_sessions]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[expire_sessions]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[purge_sessions]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[subscribe]",
    "test_wrong_use_of_the_other_methods_is_refused_at_the_call[for_principal]",
)
