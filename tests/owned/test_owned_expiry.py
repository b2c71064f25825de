"""Ending and deleting a third party's sessions: how ages are measured, what is left alone."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import Session, SessionNotFound, SessionState

if TYPE_CHECKING:
    from tests.owned.conftest import Bench


class DiskFullError(Exception):
    """An error of the inner store's own."""


async def ended(bench: Bench, **past: float) -> list[str]:
    """Whom a sweep ends."""
    return [session.id for session in await bench.store.expire_sessions(**past)]  # type: ignore[arg-type]  # limit too


async def test_idle_or_old_sessions_are_ended_and_returned_as_stored(bench: Bench) -> None:
    """`timed-out`; the longest idle first, then the oldest; at most so many."""
    for key in "abcd":
        await bench.create(key)
        bench.wait(1)
    await bench.store.add_frame(bench.note(1, "a"))
    await bench.turn("b", "active")
    bench.wait(5)
    assert await ended(bench, idle=9) == []
    (session,) = await bench.store.expire_sessions(idle=7)
    assert session == await bench.store.get_session("c")
    assert (session.state, session.ended_at) == (SessionState.TIMED_OUT, session.last_activity)
    assert await ended(bench, idle=6, age=8, limit=2) == ["d", "a"]
    assert await ended(bench, idle=6, age=8) == ["b"]


async def test_activity_through_the_owner_keeps_a_session_alive(bench: Bench) -> None:
    """A frame, frames deleted, a change: it is not idle, but gets no younger."""
    await bench.create(*"abcd")
    await bench.store.add_frame(bench.note(1, "b"))
    bench.wait(8)
    await bench.store.add_frame(bench.note(1, "a"))
    await bench.store.delete_frames("b")
    await bench.turn("c", "active")
    bench.wait(8)
    assert await ended(bench, idle=10) == ["d"]
    bench.wait(2)
    assert await ended(bench, idle=10.5) == []
    assert await ended(bench, age=18) == ["a", "b", "c"]


async def test_a_session_in_use_elsewhere_is_left_alone(bench: Bench) -> None:
    """Another process changed, used or deleted it just then: it is skipped, the others are not."""
    await bench.create(*"abcd")
    bench.wait(10)

    async def conflict() -> None:
        await bench.turn("a", "active", bench.elsewhere)

    bench.once("update_session", conflict)
    assert await ended(bench, idle=10) == ["b", "c", "d"]
    await bench.create(*"efg")
    bench.wait(10)

    async def use() -> None:
        await bench.elsewhere.add_frame(bench.note(1, "e"))
        await bench.elsewhere.delete_session("f")

    bench.once("get_session", use)
    assert await ended(bench, idle=10) == ["a", "g"]
    assert (await bench.store.get_session("e")).state is SessionState.INITIALIZING


async def test_an_error_during_a_sweep_loses_no_ended_session(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """They have ended, so they are answered, and the error is logged by name; else it is raised."""
    await bench.create(*"abc")

    async def fail() -> None:
        raise DiskFullError("secret")

    bench.once("update_session", fail)
    with pytest.raises(DiskFullError):
        await ended(bench, idle=0)
    calls = 0

    async def fail_second() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DiskFullError("secret")

    bench.once("update_session", fail_second, times=9)
    with caplog.at_level(logging.WARNING):
        assert await ended(bench, idle=0) == ["a"]
    assert caplog.messages == ["a sweep ended early with DiskFullError"]
    assert await ended(bench, idle=0) == ["b", "c"]
    calls = 0
    bench.once("delete_session", fail_second, times=9)
    assert await bench.store.purge_sessions(ended_for=0) == 1
    assert await bench.elsewhere.count_sessions() == 2


async def test_no_operation_runs_in_the_middle_of_a_sweep(bench: Bench) -> None:
    """One operation of the owner: who asks meanwhile is answered by what is after it."""
    await bench.create(*"abc")
    seen: list[int] = []

    async def ask() -> None:
        async def count() -> None:
            states = (await bench.store.statistics()).sessions
            seen.append(states[SessionState.TIMED_OUT])

        # In the bench's own context: what the inner store starts itself is refused.
        asking.append(asyncio.create_task(count(), context=context))

    context = copy_context()
    asking: list[asyncio.Task[None]] = []
    bench.once("update_session", ask)
    assert len(await ended(bench, idle=0)) == 3
    await asking[0]
    assert seen == [3]


async def test_what_ended_before_is_purged_by_the_inner_stores_times(bench: Bench) -> None:
    """The first ended first, at most so many; live ones stay, and both bounds hold together."""
    await bench.create(*"abcd")
    for key in "cab":
        bench.wait(1)
        await bench.turn(key)
    moments = {s.id: s.ended_at for s in await bench.store.list_sessions()}
    assert moments["b"] is not None
    assert await bench.store.purge_sessions(ended_before=moments["b"], ended_for=1.5) == 1
    with pytest.raises(SessionNotFound):
        await bench.store.get_session("c")
    bench.wait(1)
    assert await bench.store.purge_sessions(ended_before=moments["b"]) == 1
    assert await bench.store.purge_sessions(ended_for=0, limit=5) == 1
    assert [s.id for s in await bench.store.list_sessions()] == ["d"]


async def test_a_session_recreated_elsewhere_is_not_purged(bench: Bench) -> None:
    """Looked at again just before: the id is that of a live session now."""
    await bench.create("a")
    await bench.turn()
    bench.wait(10)

    async def renew() -> None:
        await bench.elsewhere.delete_session("a")
        await bench.elsewhere.create_session(bench.session("a"))

    bench.once("get_session", renew)
    assert await bench.store.purge_sessions(ended_for=5) == 0
    assert await bench.elsewhere.count_sessions() == 1


async def test_a_store_without_end_times_is_purged_by_last_activity(bench: Bench) -> None:
    """Its last activity stands for its end."""
    await bench.create("a")
    bench.wait(1)
    closed = await bench.turn()

    async def listing() -> list[Session]:
        return [closed.model_copy(update={"ended_at": None})]

    async def get(_: str) -> Session:
        return (await listing())[0]

    bench.inner.behind.list_sessions = listing  # type: ignore[method-assign]  # it does not say
    bench.inner.behind.get_session = get  # type: ignore[method-assign]  # nor here
    assert await bench.store.purge_sessions(ended_before=closed.last_activity) == 0
    bench.wait(1)
    later = closed.last_activity + timedelta(seconds=1)
    assert await bench.store.purge_sessions(ended_before=later) == 1
