"""`subscribe`: each thing that happens to a session is told once, in order, and nothing else is."""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    SessionEvent,
    SessionEventKind,
    SessionsFull,
    SessionState,
    StoreLimits,
)

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore

    from tests.stores.conftest import Design, Desk

whose: ContextVar[str] = ContextVar("whose", default="nobody's")


async def test_each_kind_is_told_once_in_order_of_happening(design: Design, desk: Desk) -> None:
    """Created, changed, evicted, purged, deleted; with the session as it is afterwards."""
    dial = desk.dial()
    limits = StoreLimits(max_sessions=2, sessions_full=SessionsFull.EVICT_ENDED)
    async with design(limits=limits, clock=dial.clock()) as store:
        ear = desk.ear(store)
        await store.create_session(desk.session("a"))
        await store.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
        await desk.close(store)
        await store.create_session(desk.session("b", state="failed"))
        await store.create_session(desk.session("c"))
        await store.purge_sessions(ended_for=0)
        await store.delete_session("c")
        heard = [(e.kind, e.session.id, e.before, e.session.state, e.ended) for e in ear.events]
    kind, state = SessionEventKind, SessionState
    assert heard == [
        (kind.CREATED, "a", None, state.INITIALIZING, False),
        (kind.STATE_CHANGED, "a", state.INITIALIZING, state.ACTIVE, False),
        (kind.STATE_CHANGED, "a", state.ACTIVE, state.CLOSED, True),
        (kind.CREATED, "b", None, state.FAILED, True),
        (kind.EVICTED, "a", state.CLOSED, state.CLOSED, False),
        (kind.CREATED, "c", None, state.INITIALIZING, False),
        (kind.PURGED, "b", state.FAILED, state.FAILED, False),
        (kind.DELETED, "c", state.INITIALIZING, state.INITIALIZING, False),
    ]


async def test_the_session_told_is_what_the_caller_is_answered(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Its revision, its end, its frames; one that is gone, as it was last."""
    ear = desk.ear(store)
    created = await store.create_session(desk.session())
    assert ear.events[-1].session == created
    closed = SessionState.CLOSED
    await store.add_frames(
        "a", [desk.note(1)], change=lambda s: s.model_copy(update={"state": closed})
    )
    stored = await store.get_session("a")
    assert ear.events[-1].session == stored
    assert (stored.state, stored.frame_count) == (closed, 1)
    await store.delete_session("a")
    assert ear.events[-1].session == stored
    assert len(ear.events) == 3


async def test_a_batch_and_a_sweep_tell_of_each_session(design: Design, desk: Desk) -> None:
    """`update_sessions_batch` in its order, `expire_sessions` and `purge_sessions` in theirs."""
    dial = desk.dial()
    async with design(clock=dial.clock()) as store:
        ear = desk.ear(store)
        held = [await store.create_session(desk.session(key)) for key in "abcd"]
        ear.told()
        active = [s.model_copy(update={"state": "active"}) for s in reversed(held[:3])]
        await store.update_sessions_batch([*active, held[3]])
        assert ear.told() == ["state-changed c", "state-changed b", "state-changed a"]
        dial.wait(10)
        await store.expire_sessions(idle=10, limit=3)
        assert [(e.before, e.session.state, e.ended) for e in ear.events] == [
            (SessionState.ACTIVE, SessionState.TIMED_OUT, True)
        ] * 3
        # All were active at one moment, and ended at one.
        assert ear.told() == ["state-changed a", "state-changed b", "state-changed c"]
        await store.purge_sessions(ended_for=0, limit=2)
        assert ear.told() == ["purged a", "purged b"]


async def test_get_or_create_tells_only_who_creates(store: AtomicSessionStore, desk: Desk) -> None:
    """One of many racing callers."""
    ear = desk.ear(store)
    await asyncio.gather(*(store.get_or_create_session(desk.session()) for _ in range(16)))
    assert ear.told() == ["created a"]


async def test_what_is_no_event_is_not_told(store: AtomicSessionStore, desk: Desk) -> None:
    """Frames, activity, a change that leaves the state; and nothing that only reads."""
    held = await store.create_session(desk.session())
    ear = desk.ear(store)
    await desk.fill(store, 3)
    await store.add_frames("a", [desk.note()], change=lambda s: s)
    await store.touch_session("a")
    await store.update_session(held.model_copy(update={"tags": {"x"}}))
    await store.trim_frames("a", up_to=2)
    await store.delete_frames("a")
    await store.list_sessions()
    await store.expire_sessions(idle=3600)
    assert ear.told() == []


async def test_a_refused_operation_tells_nothing(design: Design, desk: Desk) -> None:
    """Nothing happened, also in a batch of which a part would have been good."""
    limits = StoreLimits(max_sessions=2, max_frames_per_session=1)
    async with design(limits=limits) as store:
        held = await store.create_session(desk.session())
        other = await store.create_session(desk.session("b", state="closed"))
        ear = desk.ear(store)
        closing = held.model_copy(update={"state": "closed"})
        refused: list[Any] = [
            store.create_session(desk.session()),
            store.create_session(desk.session("c")),
            store.get_or_create_session(desk.session("c")),
            store.update_session(closing.model_copy(update={"revision": 77})),
            store.update_sessions_batch([closing, other.model_copy(update={"state": "active"})]),
            store.modify_session("a", lambda s: s.model_copy(update={"state": "shutting-down"})),
            store.add_frames("a", [desk.note()] * 2, change=lambda _: closing),
            store.delete_session("nobody"),
        ]
        for call in refused:
            with pytest.raises(Exception, match=r"."):
                await call
        assert ear.told() == []
        assert await store.list_sessions() == [held, other]


async def test_an_event_comes_with_the_context_of_its_caller(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Captured at the call: of each of many at once its own, and not of who subscribed."""
    whose.set("the subscriber's")
    ear = desk.ear(store)

    async def caller(name: str) -> None:
        whose.set(name)
        await store.create_session(desk.session(name))
        await desk.close(store, name)
        await store.delete_session(name)

    await asyncio.gather(*(asyncio.create_task(caller(f"n{n}")) for n in range(20)))
    assert len(ear.events) == 60
    for event, context in zip(ear.events, ear.contexts, strict=True):
        assert context[whose] == context.run(whose.get) == event.session.id


async def test_it_is_told_though_its_caller_is_cancelled_meanwhile(desk: Desk) -> None:
    """The owner had taken the command: it happened, so it is told, once, in its context."""
    async with ActorSessionStore() as store:
        ear = desk.ear(store)
        callers: list[asyncio.Task[object]] = []

        def cancel(_: SessionEvent, __: Context) -> None:
            callers[-1].cancel()

        store.subscribe(cancel)
        calls = (
            lambda: store.create_session(desk.session()),
            lambda: desk.close(store),
            lambda: store.delete_session("a"),
        )
        for call in calls:

            async def caller(call: Any = call) -> None:
                whose.set("the caller's")
                await call()

            callers.append(asyncio.create_task(caller()))
            await asyncio.wait(callers)
            assert callers[-1].cancelled()
        assert ear.told() == ["created a", "state-changed a", "deleted a"]
        assert [context[whose] for context in ear.contexts] == ["the caller's"] * 3


async def test_nothing_is_told_of_who_is_cancelled_while_queued(desk: Desk) -> None:
    """Certainly no effect, so no event."""
    async with ActorSessionStore() as store:
        ear = desk.ear(store)
        task = asyncio.create_task(store.create_session(desk.session()))
        await asyncio.sleep(0)
        assert store._actor.statistics().depth == 1
        task.cancel()
        await asyncio.wait({task})
        assert await store.count_sessions() == 0
        assert ear.told() == []


def test_an_event_is_a_value(desk: Desk) -> None:
    """Frozen, and its `repr` shows no more of the session than the session does."""
    event = SessionEvent(SessionEventKind.CREATED, desk.session(principal="secret-p"), None)
    with pytest.raises(AttributeError):
        event.kind = SessionEventKind.DELETED  # type: ignore[misc]  # what is tried here
    assert "secret-p" not in repr(event)
