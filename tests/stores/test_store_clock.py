"""Times come from the clock a store was given (hazard 22)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest
from sessionkeeper import AtomicSessionStore, Clock, Session, SessionState

if TYPE_CHECKING:
    from tests.stores.conftest import Design, Kit

Step: TypeAlias = Callable[[AtomicSessionStore, "Kit"], Awaitable[object]]


def closed(session: Session) -> Session:
    """End a session."""
    return session.model_copy(update={"state": SessionState.CLOSED})


ACTIVITY: dict[str, Step] = {
    "add_frame": lambda store, kit: store.add_frame(kit.note()),
    "add_frames": lambda store, kit: store.add_frames("a", [kit.note()]),
    "delete_frames": lambda store, _: store.delete_frames("a"),
    "touch": lambda store, _: store.touch_session("a"),
    "modify": lambda store, _: store.modify_session("a", closed),
}

READING: dict[str, Step] = {
    "get": lambda store, _: store.get_session("a"),
    "list": lambda store, _: store.list_sessions(),
    "frames": lambda store, _: store.get_frames("a"),
    "read": lambda store, _: store.read_frames("a"),
    "count": lambda store, _: store.count_frames("a"),
    "modify nothing": lambda store, _: store.modify_session("a", lambda session: session),
    "get or create": lambda store, kit: store.get_or_create_session(kit.session("a")),
    "statistics": lambda store, _: store.statistics(),
}


@pytest.mark.parametrize("step", ACTIVITY)
async def test_every_change_is_activity(design: Design, kit: Kit, step: str) -> None:
    """`last_activity` moves with each change, `created_at` never."""
    dial = kit.dial()
    async with design(clock=dial.clock()) as store:
        created = await store.create_session(kit.session("a"))
        assert created.created_at == created.last_activity == dial.moment()
        dial.wall += 10
        await ACTIVITY[step](store, kit)
        session = await store.get_session("a")
        assert session.last_activity == dial.moment()
        assert session.created_at == created.created_at


@pytest.mark.parametrize("step", READING)
async def test_reading_is_no_activity(design: Design, kit: Kit, step: str) -> None:
    """Looking keeps nothing alive."""
    dial = kit.dial()
    async with design(clock=dial.clock()) as store:
        created = await store.create_session(kit.session("a"))
        dial.wall += 10
        await READING[step](store, kit)
        assert await store.get_session("a") == created


async def test_the_end_is_noted_once(design: Design, kit: Kit) -> None:
    """`ended_at` is when the terminal state was entered, whatever happens afterwards."""
    dial = kit.dial()
    async with design(clock=dial.clock()) as store:
        await store.create_session(kit.session("a"))
        dial.wall += 10
        ended = (await store.modify_session("a", closed)).ended_at
        assert ended == dial.moment()
        dial.wall += 10
        await store.modify_session("a", lambda s: s.model_copy(update={"tags": {"late"}}))
        await store.delete_frames("a")
        session = await store.get_session("a")
        assert (session.ended_at, session.last_activity) == (ended, dial.moment())


async def test_a_clock_that_jumps_back_harms_nothing(design: Design, kit: Kit) -> None:
    """A wall clock may jump; it is only shown."""
    dial = kit.dial()
    async with design(clock=dial.clock()) as store:
        await store.create_session(kit.session("a"))
        dial.wall = -5.0
        assert await store.add_frame(kit.note()) == 1
        assert (await store.get_session("a")).last_activity == dial.moment()


async def test_the_times_a_caller_brings_are_not_believed(design: Design, kit: Kit) -> None:
    """They are the store's fields, in creation too."""
    dial, other = kit.dial(), kit.dial()
    other.wall = 1.0
    lies = dict.fromkeys(("created_at", "last_activity", "ended_at"), other.moment())
    lying = kit.session("a").model_copy(
        update={**lies, "revision": 9, "frame_count": 9, "last_seq": 9}
    )
    async with design(clock=dial.clock()) as store:
        created = await store.create_session(lying)
        assert created.created_at == created.last_activity == dial.moment()
        assert (created.revision, created.frame_count, created.last_seq) == (1, 0, 0)
        assert created.ended_at is None


async def test_without_a_clock_time_goes_on(design: Design, kit: Kit) -> None:
    """The default clock is the machine's."""
    async with design() as store:
        created = await store.create_session(kit.session("a"))
        await store.touch_session("a")
        assert (await store.get_session("a")).last_activity >= created.created_at
    assert Clock().steady() <= Clock().steady()
