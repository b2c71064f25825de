"""`statistics()` of a third party's store: what the owner counts adds up at every moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    OutcomeUnknown,
    SessionClosed,
    SessionError,
    SessionExists,
    SessionNotFound,
    SessionState,
)

from tests.support.sessions import new_session, note, turns

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup

ENDS = (SessionState.CLOSED, SessionState.FAILED, SessionState.TIMED_OUT)


async def test_each_operation_is_counted_once(setup: StoreSetup) -> None:
    """Created, deleted, purged, ended; frames added and removed, with their session too."""
    await setup.create(*"abcd")
    await setup.create("e", state="failed")
    for n in range(3):
        await setup.store.add_frame(note(n, "a"))
        await setup.store.add_frame(note(n, "b"))
    assert await setup.store.delete_frames("a") == 3
    await setup.store.add_frame(note(4, "a"))
    await setup.store.delete_session("b")
    setup.wait(1)
    await setup.turn("c")
    setup.wait(1)
    await setup.store.expire_sessions(idle=0, limit=1)
    assert await setup.store.purge_sessions(ended_for=0, limit=2) == 2
    counters = await setup.counted()
    assert (counters.created, counters.deleted, counters.purged, counters.evicted) == (5, 1, 2, 0)
    assert [counters.ended[state] for state in ENDS] == [1, 1, 1]
    assert (counters.frames_added, counters.frames_removed) == (7, 6)
    assert (await setup.store.statistics()).bytes is None


async def test_existing_sessions_count_as_created(setup: StoreSetup) -> None:
    """With its frames, whether it is first met by a listing or by an operation on it."""
    for key in "abc":
        await setup.elsewhere.create_session(new_session(key))
        await setup.elsewhere.add_frame(note(1, key))
    await setup.store.delete_session("a")
    await setup.turn("b")
    counters = await setup.counted()
    assert (counters.created, counters.deleted) == (3, 1)
    assert (counters.frames_added, counters.frames_removed) == (3, 1)
    assert counters.ended[SessionState.CLOSED] == 1


async def test_changes_made_elsewhere_count_when_they_are_seen(setup: StoreSetup) -> None:
    """Sessions that come, change and go past the owner; frames too."""
    await setup.create(*"abc")
    await setup.store.add_frame(note(1, "a"))
    await setup.elsewhere.create_session(new_session("d"))
    await setup.elsewhere.delete_session("b")
    await setup.turn("c", "closed", setup.elsewhere)
    for n in range(4):
        await setup.elsewhere.add_frame(note(n, "a"))
    await setup.elsewhere.trim_frames("a", up_to=2)
    counters = await setup.counted()
    assert (counters.created, counters.deleted) == (4, 1)
    assert (counters.frames_added, counters.frames_removed) == (5, 2)
    await setup.elsewhere.trim_frames("a", up_to=3)
    assert (await setup.counted()).frames_removed == 3
    await setup.elsewhere.add_frame(note(5, "a"))
    assert await setup.store.delete_frames("a") == 3
    counters = await setup.counted()
    assert (counters.frames_added, counters.frames_removed) == (6, 6)
    await setup.elsewhere.delete_session("a")
    setup.wait(1)
    await setup.create("a")
    counters = await setup.counted()
    assert (counters.created, counters.deleted) == (5, 2)


async def test_operations_through_the_owner_count_even_if_deleted_elsewhere(
    setup: StoreSetup,
) -> None:
    """Frames appended here, in a session that another process deleted before anybody looked."""
    await setup.create("a")
    for n in range(3):
        await setup.store.add_frame(note(n))
    await setup.elsewhere.delete_session("a")
    counters = await setup.counted()
    assert (counters.frames_added, counters.frames_removed) == (3, 3)


@pytest.mark.parametrize("seed", range(5))
async def test_the_sums_hold_with_callers_that_are_cancelled(setup: StoreSetup, seed: int) -> None:
    """The sums hold at every moment, also with cancelled callers."""
    random = Random(seed)
    keys = [f"s{n}" for n in range(6)]
    calls: list[Callable[[str], Awaitable[object]]] = [
        lambda key: setup.create(key),
        lambda key: setup.create(key, state="closed"),
        lambda key: setup.store.get_or_create_session(new_session(key)),
        lambda key: setup.store.add_frame(note(1, key)),
        lambda key: setup.store.add_frame(note(1, key)),
        lambda key: setup.store.delete_frames(key),
        lambda key: setup.turn(key, random.choice(["active", "closed", "failed"])),
        lambda key: setup.store.delete_session(key),
        lambda _: setup.store.expire_sessions(idle=0, limit=2),
        lambda _: setup.store.purge_sessions(ended_for=0, limit=2),
    ]

    async def work() -> None:
        for _ in range(25):
            task = asyncio.ensure_future(random.choice(calls)(random.choice(keys)))
            await turns(random.randint(0, 30))
            if random.random() < 0.5:
                task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                assert isinstance(task.exception(), SessionError | None)

    async def look() -> None:
        for _ in range(15):
            now = await setup.store.statistics()
            counters = now.counters
            gone = counters.deleted + counters.purged + counters.evicted
            assert counters.created == sum(now.sessions.values()) + gone
            assert counters.frames_added == now.frames + counters.frames_removed
            await turns(10)

    await asyncio.gather(work(), work(), work(), look())
    # Somebody's command may have begun before its caller gave up: it is counted all the same.
    held = (await setup.elsewhere.statistics()).counters
    counters = await setup.counted()
    assert counters.created == held.created
    assert counters.deleted + counters.purged == held.deleted
    assert counters.ended == held.ended
    assert counters.frames_added == held.frames_added


async def test_refusals_are_counted_by_kind(setup: StoreSetup) -> None:
    """How often an operation was answered with which error of a store; no other error counts."""
    await setup.create("a", state="closed")
    for _ in range(2):
        with pytest.raises(SessionExists):
            await setup.create("a")
    with pytest.raises(SessionNotFound):
        await setup.store.for_principal("alice").get_session("a")
    with pytest.raises(SessionClosed):
        await setup.store.add_frame(note())
    with pytest.raises(TypeError):
        await setup.store.get_session(None)  # type: ignore[arg-type]  # wrong on purpose

    async def give_up() -> None:
        raise asyncio.CancelledError

    setup.once("count_sessions", give_up)
    with pytest.raises(OutcomeUnknown):
        await setup.store.count_sessions()

    def refuse(_: object) -> object:
        raise SessionNotFound("the change's own")

    with pytest.raises(SessionNotFound):
        await setup.store.modify_session("a", refuse)  # type: ignore[arg-type]  # it only raises
    refusals = (await setup.store.statistics()).refusals
    expected = {"SessionExists": 2, "SessionNotFound": 1, "SessionClosed": 1, "OutcomeUnknown": 1}
    assert refusals == expected
