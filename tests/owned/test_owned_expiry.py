"""Ending and deleting a third party's sessions: how ages are measured, which ones stay."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import Session, SessionNotFound, SessionState

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup


class DiskFullError(Exception):
    """An error of the inner store's own."""


async def ended(setup: StoreSetup, **past: float) -> list[str]:
    """Whom a sweep ends."""
    return [session.id for session in await setup.store.expire_sessions(**past)]  # type: ignore[arg-type]  # limit too


async def test_idle_or_old_sessions_are_ended_and_returned_as_stored(setup: StoreSetup) -> None:
    """`timed-out`; the longest idle first, then the oldest; at most so many."""
    for key in "abcd":
        await setup.create(key)
        setup.wait(1)
    await setup.store.add_frame(note(1, "a"))
    await setup.turn("b", "active")
    setup.wait(5)
    assert await ended(setup, idle=9) == []
    (session,) = await setup.store.expire_sessions(idle=7)
    assert session == await setup.store.get_session("c")
    assert (session.state, session.ended_at) == (SessionState.TIMED_OUT, session.last_activity)
    assert await ended(setup, idle=6, age=8, limit=2) == ["d", "a"]
    assert await ended(setup, idle=6, age=8) == ["b"]


async def test_activity_through_the_owner_keeps_a_session_alive(setup: StoreSetup) -> None:
    """A frame, frames deleted, a change: it is not idle, but gets no younger."""
    await setup.create(*"abcd")
    await setup.store.add_frame(note(1, "b"))
    setup.wait(8)
    await setup.store.add_frame(note(1, "a"))
    await setup.store.delete_frames("b")
    await setup.turn("c", "active")
    setup.wait(8)
    assert await ended(setup, idle=10) == ["d"]
    setup.wait(2)
    assert await ended(setup, idle=10.5) == []
    assert await ended(setup, age=18) == ["a", "b", "c"]


async def test_a_session_in_use_elsewhere_is_left_alone(setup: StoreSetup) -> None:
    """A session that another process changed, used or deleted meanwhile is skipped."""
    await setup.create(*"abcd")
    setup.wait(10)

    async def conflict() -> None:
        await setup.turn("a", "active", setup.elsewhere)

    setup.once("update_session", conflict)
    assert await ended(setup, idle=10) == ["b", "c", "d"]
    await setup.create(*"efg")
    setup.wait(10)

    async def use() -> None:
        await setup.elsewhere.add_frame(note(1, "e"))
        await setup.elsewhere.delete_session("f")

    setup.once("get_session", use)
    assert await ended(setup, idle=10) == ["a", "g"]
    assert (await setup.store.get_session("e")).state is SessionState.INITIALIZING


async def test_an_error_during_a_sweep_loses_no_ended_session(
    setup: StoreSetup, caplog: pytest.LogCaptureFixture
) -> None:
    """They have ended, so they are answered, and the error is logged by name; else it is raised."""
    await setup.create(*"abc")

    async def fail() -> None:
        raise DiskFullError("secret")

    setup.once("update_session", fail)
    with pytest.raises(DiskFullError):
        await ended(setup, idle=0)
    calls = 0

    async def fail_second() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DiskFullError("secret")

    setup.once("update_session", fail_second, times=9)
    with caplog.at_level(logging.WARNING):
        assert await ended(setup, idle=0) == ["a"]
    assert caplog.messages == ["a sweep ended early with DiskFullError"]
    assert await ended(setup, idle=0) == ["b", "c"]
    calls = 0
    setup.once("delete_session", fail_second, times=9)
    assert await setup.store.purge_sessions(ended_for=0) == 1
    assert await setup.elsewhere.count_sessions() == 2


async def test_no_operation_runs_in_the_middle_of_a_sweep(setup: StoreSetup) -> None:
    """It is one operation of the owner: concurrent calls see the state after it."""
    await setup.create(*"abc")
    seen: list[int] = []

    async def ask() -> None:
        async def count() -> None:
            states = (await setup.store.statistics()).sessions
            seen.append(states[SessionState.TIMED_OUT])

        # In the bench's own context: what the inner store starts itself is refused.
        asking.append(asyncio.create_task(count(), context=context))

    context = copy_context()
    asking: list[asyncio.Task[None]] = []
    setup.once("update_session", ask)
    assert len(await ended(setup, idle=0)) == 3
    await asking[0]
    assert seen == [3]


async def test_what_ended_before_is_purged_by_the_inner_stores_times(setup: StoreSetup) -> None:
    """The first ended first, at most so many; live ones stay, and both bounds hold together."""
    await setup.create(*"abcd")
    for key in "cab":
        setup.wait(1)
        await setup.turn(key)
    moments = {s.id: s.ended_at for s in await setup.store.list_sessions()}
    assert moments["b"] is not None
    assert await setup.store.purge_sessions(ended_before=moments["b"], ended_for=1.5) == 1
    with pytest.raises(SessionNotFound):
        await setup.store.get_session("c")
    setup.wait(1)
    assert await setup.store.purge_sessions(ended_before=moments["b"]) == 1
    assert await setup.store.purge_sessions(ended_for=0, limit=5) == 1
    assert [s.id for s in await setup.store.list_sessions()] == ["d"]


async def test_a_session_recreated_elsewhere_is_not_purged(setup: StoreSetup) -> None:
    """Looked at again just before: the id is that of a live session now."""
    await setup.create("a")
    await setup.turn()
    setup.wait(10)

    async def renew() -> None:
        await setup.elsewhere.delete_session("a")
        await setup.elsewhere.create_session(new_session("a"))

    setup.once("get_session", renew)
    assert await setup.store.purge_sessions(ended_for=5) == 0
    assert await setup.elsewhere.count_sessions() == 1


async def test_a_store_without_end_times_is_purged_by_last_activity(setup: StoreSetup) -> None:
    """Its last activity stands for its end."""
    await setup.create("a")
    setup.wait(1)
    closed = await setup.turn()

    async def listing() -> list[Session]:
        return [closed.model_copy(update={"ended_at": None})]

    async def get(_: str) -> Session:
        return (await listing())[0]

    setup.inner.behind.list_sessions = listing  # type: ignore[method-assign]  # it does not say
    setup.inner.behind.get_session = get  # type: ignore[method-assign]  # nor here
    assert await setup.store.purge_sessions(ended_before=closed.last_activity) == 0
    setup.wait(1)
    later = closed.last_activity + timedelta(seconds=1)
    assert await setup.store.purge_sessions(ended_before=later) == 1
