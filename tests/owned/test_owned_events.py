"""`subscribe` on a third party's store: told inside the owner's step, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    OwnedSessionStore,
    RevisionConflict,
    Session,
    SessionEvent,
    SessionNotFound,
    SessionState,
)

from tests.support.sessions import new_session, note, turns

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup


class DiskFullError(Exception):
    """An error of the inner store's own."""


whose: ContextVar[str] = ContextVar("whose", default="nobody's")


async def test_events_through_the_owner_come_in_order(setup: StoreSetup) -> None:
    """Created, its states, its end, deleted or purged; frames, tags and misses are no events."""
    setup.listen()
    (a,) = await setup.create("a")
    await setup.store.get_or_create_session(new_session("a"))
    await setup.store.get_or_create_session(new_session("b"))
    await setup.store.add_frame(note())
    await setup.store.modify_session("b", lambda s: s.model_copy(update={"tags": {"x"}}))
    with pytest.raises(SessionNotFound):
        await setup.store.delete_session("nobody")
    a = await setup.store.update_session(a.model_copy(update={"state": "active"}))
    with pytest.raises(RevisionConflict):
        await setup.store.update_session(a.model_copy(update={"revision": 1}))
    closed = {"state": SessionState.CLOSED}
    await setup.store.add_frames("a", [note()], change=lambda s: s.model_copy(update=closed))
    await setup.store.expire_sessions(idle=0)
    await setup.store.purge_sessions(ended_for=0, limit=1)
    await setup.store.delete_session("b")
    assert setup.events == [
        ("created", "a", None),
        ("created", "b", None),
        ("state-changed", "a", "initializing"),
        ("state-changed", "a", "active"),
        ("state-changed", "b", "initializing"),
        ("purged", "a", "closed"),
        ("deleted", "b", "timed-out"),
    ]


async def test_the_state_before_is_the_true_one(setup: StoreSetup) -> None:
    """This holds for a session that the owner never saw, or that was changed elsewhere since."""
    before = await setup.elsewhere.create_session(new_session("a"))
    setup.listen()
    await setup.store.update_session(before.model_copy(update={"state": "active"}))
    seen = await setup.turn("a", "shutting-down", setup.elsewhere)
    await setup.store.update_session(seen.model_copy(update={"state": "closed"}))
    assert setup.events == [
        ("state-changed", "a", "initializing"),
        ("state-changed", "a", "shutting-down"),
    ]


async def test_a_failed_operation_sends_no_event(setup: StoreSetup) -> None:
    """An inner store that fails changed nothing: no event, no count, nobody is forgotten."""
    (a,) = await setup.create("a")
    setup.listen()

    async def fail() -> None:
        raise DiskFullError

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create_session": lambda: setup.create("b"),
        "update_session": lambda: setup.turn("a"),
        "delete_session": lambda: setup.store.delete_session("a"),
    }
    for method, call in calls.items():
        setup.once(method, fail)
        with pytest.raises(DiskFullError):
            await call()
    assert setup.events == []
    assert (await setup.counted()).created == 1
    assert await setup.store.list_sessions() == [a]


async def test_a_known_session_is_not_read_before_each_update(setup: StoreSetup) -> None:
    """The state before is noted: one round trip, not two."""
    (session,) = await setup.create("a")
    asked: list[str] = []

    async def note(name: str, _: object) -> None:
        asked.append(name)

    setup.inner.before = note
    for tag in "xy":
        session = await setup.store.update_session(session.model_copy(update={"tags": {tag}}))
    assert asked == ["update_session"] * 2


async def test_the_session_of_an_event_is_the_one_stored(setup: StoreSetup) -> None:
    """The session after the event; a deleted one in its last state."""
    told: list[SessionEvent] = []
    setup.store.subscribe(lambda event, _: told.append(event))
    await setup.create("a")
    await setup.elsewhere.add_frame(note())
    closed = await setup.turn()
    await setup.elsewhere.delete_frames("a")
    last = await setup.elsewhere.get_session("a")
    await setup.store.delete_session("a")
    assert [event.session for event in told[1:]] == [closed, last]
    assert [event.ended for event in told] == [False, True, False]


async def test_a_cancelled_callers_event_is_sent_once(setup: StoreSetup) -> None:
    """Cancelled at any moment: whole and told, or not at all; in the caller's own context."""
    told: list[str] = []

    def hear(event: SessionEvent, context: Context) -> None:
        told.append(f"{event.session.id} {context[whose]}")

    setup.store.subscribe(hear)

    async def create(n: int) -> None:
        whose.set(f"caller {n}")
        await setup.create(f"s{n}")

    for n in range(12):
        task = asyncio.create_task(create(n))
        await turns(n)
        task.cancel()
        await asyncio.wait({task})
    there = [session.id for session in await setup.store.list_sessions()]
    assert told == [f"{key} caller {key[1:]}" for key in there]
    assert 0 < len(there) < 12
    assert (await setup.counted()).created == len(there)


async def test_a_listener_cannot_ask_the_owner_but_its_task_can(setup: StoreSetup) -> None:
    """It runs as the owner: a call raises. A task that it starts runs later and may call."""
    tasks: list[asyncio.Task[int]] = []
    refused: list[str] = []

    def hear(event: SessionEvent, _: Context) -> None:
        try:
            setup.store.count_sessions().send(None)
        except RuntimeError as error:
            refused.append(type(error).__name__)
        tasks.append(asyncio.create_task(setup.store.count_sessions()))
        raise ValueError(event.kind)

    setup.store.subscribe(hear)
    await setup.create("a")
    assert await asyncio.wait_for(tasks[0], 300) == 1
    assert refused == ["Reentrant"]
    await setup.store.delete_session("a")
    assert await tasks[1] == 0


async def test_an_unsubscribed_listener_gets_no_event(setup: StoreSetup) -> None:
    """`subscribe` returns what ends it; what happens elsewhere is not told at all."""
    stop = setup.listen()
    await setup.create("a")
    stop()
    await setup.create("b")
    setup.listen()
    await setup.elsewhere.create_session(new_session("c"))
    await setup.turn("c", "closed", setup.elsewhere)
    await setup.elsewhere.delete_session("b")
    await setup.store.list_sessions()
    assert setup.events == [("created", "a", None)]


async def test_a_batch_stopped_by_an_error_sends_the_events_before_it(setup: StoreSetup) -> None:
    """Where the inner store has no batch of its own, each update is known and told."""
    sessions = await setup.create(*"abc")
    setup.listen()
    batch = [session.model_copy(update={"state": "active"}) for session in sessions]
    batch[1] = batch[1].model_copy(update={"revision": 99})
    with pytest.raises(RevisionConflict):
        await setup.store.update_sessions_batch(batch)
    assert setup.events == [("state-changed", "a", "initializing")]
    await setup.counted()


async def test_a_batch_of_the_inner_stores_own_is_used(setup: StoreSetup) -> None:
    """All or nothing, if it is that; told when it succeeded."""
    kind = type(setup.inner)
    calls: list[int] = []

    class Batching(kind):  # type: ignore[misc,valid-type]  # a class from a fixture
        async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
            calls.append(len(sessions))
            return await setup.elsewhere.update_sessions_batch(sessions)

    async with OwnedSessionStore(Batching(setup.elsewhere)) as setup.store:
        setup.listen()
        sessions = [await setup.elsewhere.create_session(new_session(key)) for key in "ab"]
        batch = [session.model_copy(update={"state": "active"}) for session in sessions]
        with pytest.raises(RevisionConflict):
            await setup.store.update_sessions_batch(
                [batch[0], batch[1].model_copy(update={"revision": 99})]
            )
        assert setup.events == []
        await setup.store.update_sessions_batch(batch)
        assert setup.events == [("state-changed", key, "initializing") for key in "ab"]
        assert calls == [2, 2]
        await setup.counted()
