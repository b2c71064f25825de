"""`subscribe`: each event of a session is reported once, in order, and nothing else."""

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

from tests.support.events import EventLog
from tests.support.sessions import FakeClock, close_session, fill, new_session, note
from tests.support.stores import Design

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore


whose: ContextVar[str] = ContextVar("whose", default="nobody's")


async def test_each_kind_is_told_once_in_order_of_happening(design: Design) -> None:
    """Created, changed, evicted, purged, deleted; with the session as it is afterwards."""
    clock = FakeClock()
    limits = StoreLimits(max_sessions=2, sessions_full=SessionsFull.EVICT_ENDED)
    async with design(limits=limits, clock=clock.as_clock()) as store:
        log = EventLog(store)
        await store.create_session(new_session("a"))
        await store.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
        await close_session(store)
        await store.create_session(new_session("b", state="failed"))
        await store.create_session(new_session("c"))
        await store.purge_sessions(ended_for=0)
        await store.delete_session("c")
        heard = [(e.kind, e.session.id, e.before, e.session.state, e.ended) for e in log.events]
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


async def test_the_session_of_an_event_equals_the_reply(store: AtomicSessionStore) -> None:
    """Its revision, its end, its frames; one that is gone, as it was last."""
    log = EventLog(store)
    created = await store.create_session(new_session())
    assert log.events[-1].session == created
    closed = SessionState.CLOSED
    await store.add_frames("a", [note(1)], change=lambda s: s.model_copy(update={"state": closed}))
    stored = await store.get_session("a")
    assert log.events[-1].session == stored
    assert (stored.state, stored.frame_count) == (closed, 1)
    await store.delete_session("a")
    assert log.events[-1].session == stored
    assert len(log.events) == 3


async def test_batches_and_sweeps_send_one_event_per_session(design: Design) -> None:
    """`update_sessions_batch` in its order, `expire_sessions` and `purge_sessions` in theirs."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        log = EventLog(store)
        held = [await store.create_session(new_session(key)) for key in "abcd"]
        log.take()
        active = [s.model_copy(update={"state": "active"}) for s in reversed(held[:3])]
        await store.update_sessions_batch([*active, held[3]])
        assert log.take() == ["state-changed c", "state-changed b", "state-changed a"]
        clock.advance(10)
        await store.expire_sessions(idle=10, limit=3)
        assert [(e.before, e.session.state, e.ended) for e in log.events] == [
            (SessionState.ACTIVE, SessionState.TIMED_OUT, True)
        ] * 3
        # All were active at one moment, and ended at one.
        assert log.take() == ["state-changed a", "state-changed b", "state-changed c"]
        await store.purge_sessions(ended_for=0, limit=2)
        assert log.take() == ["purged a", "purged b"]


async def test_get_or_create_sends_an_event_only_for_the_creator(store: AtomicSessionStore) -> None:
    """One of many racing callers."""
    log = EventLog(store)
    await asyncio.gather(*(store.get_or_create_session(new_session()) for _ in range(16)))
    assert log.take() == ["created a"]


async def test_operations_without_an_event_send_none(store: AtomicSessionStore) -> None:
    """Frames, activity, a change that leaves the state; and nothing that only reads."""
    held = await store.create_session(new_session())
    log = EventLog(store)
    await fill(store, 3)
    await store.add_frames("a", [note()], change=lambda s: s)
    await store.touch_session("a")
    await store.update_session(held.model_copy(update={"tags": {"x"}}))
    await store.trim_frames("a", up_to=2)
    await store.delete_frames("a")
    await store.list_sessions()
    await store.expire_sessions(idle=3600)
    assert log.take() == []


async def test_a_refused_operation_sends_no_event(design: Design) -> None:
    """Nothing happened, also in a batch that was valid in part."""
    limits = StoreLimits(max_sessions=2, max_frames_per_session=1)
    async with design(limits=limits) as store:
        held = await store.create_session(new_session())
        other = await store.create_session(new_session("b", state="closed"))
        log = EventLog(store)
        closing = held.model_copy(update={"state": "closed"})
        refused: list[Any] = [
            store.create_session(new_session()),
            store.create_session(new_session("c")),
            store.get_or_create_session(new_session("c")),
            store.update_session(closing.model_copy(update={"revision": 77})),
            store.update_sessions_batch([closing, other.model_copy(update={"state": "active"})]),
            store.modify_session("a", lambda s: s.model_copy(update={"state": "shutting-down"})),
            store.add_frames("a", [note()] * 2, change=lambda _: closing),
            store.delete_session("nobody"),
        ]
        for call in refused:
            with pytest.raises(Exception, match=r"."):
                await call
        assert log.take() == []
        assert await store.list_sessions() == [held, other]


async def test_an_event_comes_with_the_context_of_its_caller(store: AtomicSessionStore) -> None:
    """It is captured at each call: every caller has its own, not that of the subscriber."""
    whose.set("the subscriber's")
    log = EventLog(store)

    async def caller(name: str) -> None:
        whose.set(name)
        await store.create_session(new_session(name))
        await close_session(store, name)
        await store.delete_session(name)

    await asyncio.gather(*(asyncio.create_task(caller(f"n{n}")) for n in range(20)))
    assert len(log.events) == 60
    for event, context in zip(log.events, log.contexts, strict=True):
        assert context[whose] == context.run(whose.get) == event.session.id


async def test_the_event_is_sent_although_its_caller_is_cancelled() -> None:
    """The owner had taken the command, so its event is reported once, in its context."""
    async with ActorSessionStore() as store:
        log = EventLog(store)
        callers: list[asyncio.Task[object]] = []

        def cancel(_: SessionEvent, __: Context) -> None:
            callers[-1].cancel()

        store.subscribe(cancel)
        calls = (
            lambda: store.create_session(new_session()),
            lambda: close_session(store),
            lambda: store.delete_session("a"),
        )
        for call in calls:

            async def caller(call: Any = call) -> None:
                whose.set("the caller's")
                await call()

            callers.append(asyncio.create_task(caller()))
            await asyncio.wait(callers)
            assert callers[-1].cancelled()
        assert log.take() == ["created a", "state-changed a", "deleted a"]
        assert [context[whose] for context in log.contexts] == ["the caller's"] * 3


async def test_a_caller_cancelled_while_queued_sends_no_event() -> None:
    """Certainly no effect, so no event."""
    async with ActorSessionStore() as store:
        log = EventLog(store)
        task = asyncio.create_task(store.create_session(new_session()))
        await asyncio.sleep(0)
        assert store._actor.statistics().depth == 1
        task.cancel()
        await asyncio.wait({task})
        assert await store.count_sessions() == 0
        assert log.take() == []


def test_an_event_is_a_value() -> None:
    """Frozen, and its `repr` shows no more of the session than the session does."""
    event = SessionEvent(SessionEventKind.CREATED, new_session(principal="secret-p"), None)
    with pytest.raises(AttributeError):
        event.kind = SessionEventKind.DELETED  # type: ignore[misc]  # what is tried here
    assert "secret-p" not in repr(event)
