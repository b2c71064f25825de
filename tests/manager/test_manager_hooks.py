"""Hooks: which are called, in which order and context (Guarantees 15.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    ManagerConfig,
    MemoryBackend,
    MessageEnvelope,
    SessionEvent,
    SessionEventKind,
    SessionHooks,
    SessionManager,
    SessionState,
    StoreLimits,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Make

who: ContextVar[str] = ContextVar("who", default="nobody")


class Heard:
    """Hooks that record their events and contexts."""

    def __init__(self, *, slowly: bool) -> None:
        self.all: list[tuple[str, str]] = []
        self.events: list[SessionEvent] = []
        self.by: list[str] = []
        names = ("created", "state_changed", "ended", "evicted", "deleted", "request_timed_out")
        hooks: dict[str, Any] = {name: self._hook(name, slowly) for name in names}
        self.hooks = SessionHooks(**hooks)

    def _hook(self, name: str, slowly: bool) -> Callable[[Any], Awaitable[None] | None]:
        def note(event: Any) -> None:
            session_id = event.session.id if isinstance(event, SessionEvent) else event.session_id
            self.all.append((name, session_id))
            self.events.append(event)
            self.by.append(who.get())

        async def note_slowly(event: Any) -> None:
            await asyncio.sleep(0)
            note(event)
            await asyncio.sleep(0)

        return note_slowly if slowly else note


async def delivered(manager: SessionManager) -> None:
    """Wait until the hooks were told of all that was done."""
    await manager.store.count_sessions()
    await manager._services.dispatcher.flush()
    numbers = (await manager.statistics()).hooks
    assert numbers.events == numbers.delivered + numbers.dropped
    assert numbers.waiting == 0


@pytest.fixture(params=["sync", "async"])
def heard(request: pytest.FixtureRequest) -> Heard:
    """Functions, or coroutine functions."""
    return Heard(slowly=request.param == "async")


async def test_each_event_reaches_its_hooks_in_order(make: Make, heard: Heard) -> None:
    """Created, state changed, ended, deleted; what changes no state is no event."""
    async with make(hooks=heard.hooks) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.get_or_create_session(transport_type="stdio", id="a")
        await manager.get_or_create_session(transport_type="stdio", id="b")
        await manager.modify_session("a", lambda s: s.model_copy(update={"tags": {"t"}}))
        await manager.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
        await manager.complete_session("a")
        await manager.complete_session("a")
        await manager.fail_session("b", "x")
        await manager.delete_session("a")
        await delivered(manager)
    assert heard.all == [
        *(("created", "a"), ("created", "b"), ("state_changed", "a")),
        *(("state_changed", "a"), ("ended", "a"), ("state_changed", "b"), ("ended", "b")),
        ("deleted", "a"),
    ]
    ended = heard.events[4]
    assert (ended.kind, ended.before) == (SessionEventKind.STATE_CHANGED, SessionState.ACTIVE)
    assert (ended.session.state, ended.ended) == (SessionState.CLOSED, True)


async def test_a_hook_runs_in_the_context_of_who_caused_the_event(make: Make, heard: Heard) -> None:
    """Not in the context of the opener, nor of the last caller (LightRAG#3382)."""
    async with make(hooks=heard.hooks) as manager:

        async def handle(name: str) -> None:
            who.set(name)
            await manager.create_session(transport_type="stdio", id=name)
            await manager.complete_session(name)

        who.set("opener")
        await asyncio.gather(*(handle(name) for name in "abcd"))
        await delivered(manager)
    assert len(heard.by) == 12
    assert heard.by == [session_id for _, session_id in heard.all]


async def test_evictions_and_time_outs_call_hooks() -> None:
    """A session that made room is evicted; a request without a response is given up."""
    heard, time = Heard(slowly=False), [0.0]
    limits = StoreLimits.model_validate({"max_sessions": 1, "sessions_full": "evict-idle"})
    config = ManagerConfig(backend=MemoryBackend(limits=limits))
    clock = Clock(steady=lambda: time[0])
    async with SessionManager(config, hooks=heard.hooks, clock=clock) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.create_session(transport_type="stdio", id="b")
        who.set("asker")
        ping = {"jsonrpc": "2.0", "id": 5, "method": "ping"}
        await manager.record(MessageEnvelope.of("b", ping, direction="server-to-client"))
        who.set("sweeper")
        time[0] = 300.0
        assert manager.pending_requests() == []
        await delivered(manager)
    assert heard.all == [
        *(("created", "a"), ("evicted", "a"), ("created", "b")),
        ("request_timed_out", "b"),
    ]
    assert heard.by[-1] == "asker"


async def test_a_hook_may_call_the_manager(make: Make) -> None:
    """It runs outside the owner: there is no deadlock, and its calls cause events, too."""
    seen: list[str] = []

    async def created(event: SessionEvent) -> None:
        await manager.fail_session(event.session.id, "not today")

    async def ended(event: SessionEvent) -> None:
        await manager.delete_session(event.session.id)

    def deleted(event: SessionEvent) -> None:
        seen.append(f"{event.session.id} {event.session.failure}")

    hooks = SessionHooks(created=created, ended=ended, deleted=deleted)
    async with make(hooks=hooks) as manager:
        await asyncio.gather(
            *(manager.create_session(transport_type="stdio", id=each) for each in "abc")
        )
        await delivered(manager)
        assert await manager.store.count_sessions() == 0
    assert seen == ["a not today", "b not today", "c not today"]


async def test_a_cancelled_callers_event_is_sent(heard: Heard) -> None:
    """Once the owner has taken the command, the event is as certain as its effect."""
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(store, hooks=heard.hooks) as manager,
    ):
        calls = [
            asyncio.create_task(manager.create_session(transport_type="stdio", id=f"{n}"))
            for n in range(8)
        ]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(lambda: [call.cancel() for call in calls])
        await asyncio.gather(*calls, return_exceptions=True)
        await delivered(manager)
        there = [session.id for session in await store.list_sessions()]
        assert heard.all == [("created", session_id) for session_id in there]


async def test_without_hooks_there_is_no_task_for_them(make: Make) -> None:
    """No dispatcher, and nothing is queued for it; the sweeper always runs (`expires_at`)."""
    config = ManagerConfig.recording()
    async with make(config) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not any("hooks" in name for name in names)
        assert "sessionkeeper sweeper" in names
        assert (await manager.statistics()).hooks.events == 0


@pytest.mark.parametrize("wrong", [5, "created", object()])
def test_a_hook_that_is_not_callable_is_refused(wrong: Any) -> None:
    """`TypeError` when the hooks are made, and when they are none."""
    for name in ("created", "ended", "request_timed_out", "failed"):
        with pytest.raises(TypeError, match="hook"):
            SessionHooks(**{name: wrong})
    with pytest.raises(TypeError, match="SessionHooks"):
        SessionManager(hooks=wrong)


async def test_hooks_on_a_store_without_events_are_refused() -> None:
    """Never weakened in silence: `NotImplementedError` at opening, and nothing is left open."""
    async with ActorSessionStore() as store:
        view = store.for_principal("alice")
        manager = SessionManager.with_store(view, hooks=SessionHooks(created=print))
        with pytest.raises(NotImplementedError, match="subscribe"):
            await manager.open()
        with pytest.raises(RuntimeError, match="not open"):
            manager.store  # noqa: B018 - reading it raises
