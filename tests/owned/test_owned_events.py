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

if TYPE_CHECKING:
    from tests.owned.conftest import Bench


class DiskFullError(Exception):
    """An error of the inner store's own."""


whose: ContextVar[str] = ContextVar("whose", default="nobody's")


async def test_events_through_the_owner_come_in_order(bench: Bench) -> None:
    """Created, its states, its end, deleted or purged; frames, tags and misses are no events."""
    bench.listen()
    (a,) = await bench.create("a")
    await bench.store.get_or_create_session(bench.session("a"))
    await bench.store.get_or_create_session(bench.session("b"))
    await bench.store.add_frame(bench.note())
    await bench.store.modify_session("b", lambda s: s.model_copy(update={"tags": {"x"}}))
    with pytest.raises(SessionNotFound):
        await bench.store.delete_session("nobody")
    a = await bench.store.update_session(a.model_copy(update={"state": "active"}))
    with pytest.raises(RevisionConflict):
        await bench.store.update_session(a.model_copy(update={"revision": 1}))
    closed = {"state": SessionState.CLOSED}
    await bench.store.add_frames("a", [bench.note()], change=lambda s: s.model_copy(update=closed))
    await bench.store.expire_sessions(idle=0)
    await bench.store.purge_sessions(ended_for=0, limit=1)
    await bench.store.delete_session("b")
    assert bench.heard == [
        ("created", "a", None),
        ("created", "b", None),
        ("state-changed", "a", "initializing"),
        ("state-changed", "a", "active"),
        ("state-changed", "b", "initializing"),
        ("purged", "a", "closed"),
        ("deleted", "b", "timed-out"),
    ]


async def test_the_state_before_is_the_true_one(bench: Bench) -> None:
    """Of a session the owner never saw, or that was changed elsewhere since."""
    before = await bench.elsewhere.create_session(bench.session("a"))
    bench.listen()
    await bench.store.update_session(before.model_copy(update={"state": "active"}))
    seen = await bench.turn("a", "shutting-down", bench.elsewhere)
    await bench.store.update_session(seen.model_copy(update={"state": "closed"}))
    assert bench.heard == [
        ("state-changed", "a", "initializing"),
        ("state-changed", "a", "shutting-down"),
    ]


async def test_a_failed_operation_sends_no_event(bench: Bench) -> None:
    """An inner store that fails changed nothing: no event, no count, nobody is forgotten."""
    (a,) = await bench.create("a")
    bench.listen()

    async def fail() -> None:
        raise DiskFullError

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create_session": lambda: bench.create("b"),
        "update_session": lambda: bench.turn("a"),
        "delete_session": lambda: bench.store.delete_session("a"),
    }
    for method, call in calls.items():
        bench.once(method, fail)
        with pytest.raises(DiskFullError):
            await call()
    assert bench.heard == []
    assert (await bench.counted()).created == 1
    assert await bench.store.list_sessions() == [a]


async def test_a_known_session_is_not_read_before_each_update(bench: Bench) -> None:
    """The state before is noted: one round trip, not two."""
    (session,) = await bench.create("a")
    asked: list[str] = []

    async def note(name: str, _: object) -> None:
        asked.append(name)

    bench.inner.before = note
    for tag in "xy":
        session = await bench.store.update_session(session.model_copy(update={"tags": {tag}}))
    assert asked == ["update_session"] * 2


async def test_the_session_of_an_event_is_the_one_stored(bench: Bench) -> None:
    """As it is afterwards; one that is gone, as it was last."""
    told: list[SessionEvent] = []
    bench.store.subscribe(lambda event, _: told.append(event))
    await bench.create("a")
    await bench.elsewhere.add_frame(bench.note())
    closed = await bench.turn()
    await bench.elsewhere.delete_frames("a")
    last = await bench.elsewhere.get_session("a")
    await bench.store.delete_session("a")
    assert [event.session for event in told[1:]] == [closed, last]
    assert [event.ended for event in told] == [False, True, False]


async def test_a_cancelled_callers_event_is_sent_once(bench: Bench) -> None:
    """Cancelled at any moment: whole and told, or not at all; in the caller's own context."""
    told: list[str] = []

    def hear(event: SessionEvent, context: Context) -> None:
        told.append(f"{event.session.id} {context[whose]}")

    bench.store.subscribe(hear)

    async def create(n: int) -> None:
        whose.set(f"caller {n}")
        await bench.create(f"s{n}")

    for n in range(12):
        task = asyncio.create_task(create(n))
        await bench.turns(n)
        task.cancel()
        await asyncio.wait({task})
    there = [session.id for session in await bench.store.list_sessions()]
    assert told == [f"{key} caller {key[1:]}" for key in there]
    assert 0 < len(there) < 12
    assert (await bench.counted()).created == len(there)


async def test_a_listener_cannot_ask_the_owner_but_its_task_can(bench: Bench) -> None:
    """It runs as the owner: asking raises. What it starts runs later, and is nobody's caller."""
    tasks: list[asyncio.Task[int]] = []
    refused: list[str] = []

    def hear(event: SessionEvent, _: Context) -> None:
        try:
            bench.store.count_sessions().send(None)
        except RuntimeError as error:
            refused.append(type(error).__name__)
        tasks.append(asyncio.create_task(bench.store.count_sessions()))
        raise ValueError(event.kind)

    bench.store.subscribe(hear)
    await bench.create("a")
    assert await asyncio.wait_for(tasks[0], 300) == 1
    assert refused == ["Reentrant"]
    await bench.store.delete_session("a")
    assert await tasks[1] == 0


async def test_an_unsubscribed_listener_gets_no_event(bench: Bench) -> None:
    """`subscribe` returns what ends it; what happens elsewhere is not told at all."""
    stop = bench.listen()
    await bench.create("a")
    stop()
    await bench.create("b")
    bench.listen()
    await bench.elsewhere.create_session(bench.session("c"))
    await bench.turn("c", "closed", bench.elsewhere)
    await bench.elsewhere.delete_session("b")
    await bench.store.list_sessions()
    assert bench.heard == [("created", "a", None)]


async def test_a_batch_stopped_by_an_error_sends_the_events_before_it(bench: Bench) -> None:
    """Where the inner store has no batch of its own, each update is known and told."""
    sessions = await bench.create(*"abc")
    bench.listen()
    batch = [session.model_copy(update={"state": "active"}) for session in sessions]
    batch[1] = batch[1].model_copy(update={"revision": 99})
    with pytest.raises(RevisionConflict):
        await bench.store.update_sessions_batch(batch)
    assert bench.heard == [("state-changed", "a", "initializing")]
    await bench.counted()


async def test_a_batch_of_the_inner_stores_own_is_used(bench: Bench) -> None:
    """All or nothing, if it is that; told when it succeeded."""
    kind = type(bench.inner)
    calls: list[int] = []

    class Batching(kind):  # type: ignore[misc,valid-type]  # a class from a fixture
        async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
            calls.append(len(sessions))
            return await bench.elsewhere.update_sessions_batch(sessions)

    async with OwnedSessionStore(Batching(bench.elsewhere)) as bench.store:
        bench.listen()
        sessions = [await bench.elsewhere.create_session(bench.session(key)) for key in "ab"]
        batch = [session.model_copy(update={"state": "active"}) for session in sessions]
        with pytest.raises(RevisionConflict):
            await bench.store.update_sessions_batch(
                [batch[0], batch[1].model_copy(update={"revision": 99})]
            )
        assert bench.heard == []
        await bench.store.update_sessions_batch(batch)
        assert bench.heard == [("state-changed", key, "initializing") for key in "ab"]
        assert calls == [2, 2]
        await bench.counted()
