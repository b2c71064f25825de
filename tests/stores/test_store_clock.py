"""Times come from the clock a store was given (hazard 22)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from sessionkeeper import AtomicSessionStore, Clock, Session, SessionState

from tests.support.sessions import FakeClock, new_session, note
from tests.support.stores import Design

Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]


def closed(session: Session) -> Session:
    """End a session."""
    return session.model_copy(update={"state": SessionState.CLOSED})


ACTIVITY: dict[str, Step] = {
    "add_frame": lambda store: store.add_frame(note()),
    "add_frames": lambda store: store.add_frames("a", [note()]),
    "delete_frames": lambda store: store.delete_frames("a"),
    "touch": lambda store: store.touch_session("a"),
    "modify": lambda store: store.modify_session("a", closed),
}

READING: dict[str, Step] = {
    "get": lambda store: store.get_session("a"),
    "list": lambda store: store.list_sessions(),
    "frames": lambda store: store.get_frames("a"),
    "read": lambda store: store.read_frames("a"),
    "count": lambda store: store.count_frames("a"),
    "modify nothing": lambda store: store.modify_session("a", lambda session: session),
    "get or create": lambda store: store.get_or_create_session(new_session("a")),
    "statistics": lambda store: store.statistics(),
}


@pytest.mark.parametrize("step", ACTIVITY)
async def test_every_change_is_activity(design: Design, step: str) -> None:
    """`last_activity` moves with each change, `created_at` never."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        created = await store.create_session(new_session("a"))
        assert created.created_at == created.last_activity == clock.moment()
        clock.wall += 10
        await ACTIVITY[step](store)
        session = await store.get_session("a")
        assert session.last_activity == clock.moment()
        assert session.created_at == created.created_at


@pytest.mark.parametrize("step", READING)
async def test_reading_is_no_activity(design: Design, step: str) -> None:
    """Looking keeps nothing alive."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        created = await store.create_session(new_session("a"))
        clock.wall += 10
        await READING[step](store)
        assert await store.get_session("a") == created


async def test_the_end_is_noted_once(design: Design) -> None:
    """`ended_at` is when the terminal state was entered, whatever happens afterwards."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session("a"))
        clock.wall += 10
        ended = (await store.modify_session("a", closed)).ended_at
        assert ended == clock.moment()
        clock.wall += 10
        await store.modify_session("a", lambda s: s.model_copy(update={"tags": {"late"}}))
        await store.delete_frames("a")
        session = await store.get_session("a")
        assert (session.ended_at, session.last_activity) == (ended, clock.moment())


async def test_a_clock_that_jumps_back_harms_nothing(design: Design) -> None:
    """A wall clock may jump; it is only shown."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session("a"))
        clock.wall = -5.0
        assert await store.add_frame(note()) == 1
        assert (await store.get_session("a")).last_activity == clock.moment()


async def test_times_set_by_the_caller_are_ignored(design: Design) -> None:
    """They are the store's fields, in creation too."""
    clock, other = FakeClock(), FakeClock()
    other.wall = 1.0
    lies = dict.fromkeys(("created_at", "last_activity", "ended_at"), other.moment())
    lying = new_session("a").model_copy(
        update={**lies, "revision": 9, "frame_count": 9, "last_seq": 9}
    )
    async with design(clock=clock.as_clock()) as store:
        created = await store.create_session(lying)
        assert created.created_at == created.last_activity == clock.moment()
        assert (created.revision, created.frame_count, created.last_seq) == (1, 0, 0)
        assert created.ended_at is None


async def test_a_store_without_a_given_clock_uses_the_real_one(design: Design) -> None:
    """The default clock is the machine's."""
    async with design() as store:
        created = await store.create_session(new_session("a"))
        await store.touch_session("a")
        assert (await store.get_session("a")).last_activity >= created.created_at
    assert Clock().steady() <= Clock().steady()
