"""Defects that session managers built on locks are known for: each shown not to happen here.

Those of sweeping, queues and clocks are in `test_known_defects_of_sweeps.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    ActorSessionStore,
    LimitExceeded,
    ManagerConfig,
    MemoryBackend,
    MessageEnvelope,
    RevisionConflict,
    SessionClosed,
    SessionError,
    SessionEvent,
    SessionHooks,
    SessionManager,
    SessionNotFound,
    SessionState,
    SessionStatus,
    StoreClosed,
    StoreLimits,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Make


def message(
    session: str, direction: str = "client-to-server", **members: object
) -> MessageEnvelope:
    """A message of a session."""
    return MessageEnvelope.of(session, {"jsonrpc": "2.0", **members}, direction=direction)


def request(session: str, request_id: int) -> MessageEnvelope:
    """A request to the server."""
    return message(session, id=request_id, method="ping")


def response(session: str, request_id: int) -> MessageEnvelope:
    """Its result."""
    return message(session, "server-to-client", id=request_id, result={})


def small(sessions_full: str, maximum: int) -> ManagerConfig:
    """A manager's own store with room for few sessions."""
    limits = StoreLimits.model_validate({"max_sessions": maximum, "sessions_full": sessions_full})
    return ManagerConfig(backend=MemoryBackend(limits=limits))


async def test_eviction_deadlock() -> None:
    """Evicting under the lock calls a hook, which calls the manager, which wants the lock.

    Here a hook runs outside of the owner: it may do whatever it likes.
    """
    evicted: list[str] = []

    async def recreate(event: SessionEvent) -> None:
        evicted.append(event.session.id)
        if len(evicted) < 10:
            await manager.create_session(transport_type="stdio")
        assert await manager.store.count_sessions() == 2

    hooks = SessionHooks(evicted=recreate, failed=lambda failure: evicted.append("failed"))
    async with SessionManager(small("evict-idle", 2), hooks=hooks) as manager:
        await asyncio.gather(*(manager.create_session(transport_type="stdio") for _ in range(8)))
        async with asyncio.timeout(300):
            await manager._services.dispatcher.flush()
        assert await manager.store.count_sessions() == 2
    assert len(evicted) == 15
    assert "failed" not in evicted


async def test_counters_going_negative(make: Make) -> None:
    """A second end or a second deletion counts down once more than anything was counted up.

    Here only what the owner did counts, in the step in which it did it: at every moment of any
    load the sums hold and nothing is below nought.
    """
    chance = random.Random(1)

    async def slow(event: SessionEvent) -> None:
        await asyncio.sleep(0)

    hooks = SessionHooks(created=slow, ended=slow, deleted=slow)
    async with make(ManagerConfig(max_events=5), hooks=hooks) as manager:

        def some_call(name: str) -> Awaitable[object]:
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: manager.create_session(transport_type="stdio", id=name),
                lambda: manager.get_or_create_session(transport_type="stdio", id=name),
                lambda: manager.record(request(name, chance.randrange(5))),
                lambda: manager.record(response(name, chance.randrange(5))),
                lambda: manager.complete_session(name),
                lambda: manager.fail_session(name, "x"),
                lambda: manager.delete_session(name),
            ]
            return chance.choice(calls)()

        async def use() -> None:
            for _ in range(40):
                try:
                    async with asyncio.timeout(chance.choice([None, None, 0])):
                        await some_call(chance.choice("abcd"))
                except (SessionError, TimeoutError):
                    pass

        async def look() -> None:
            while True:
                now = await manager.statistics()
                store, counters, requests = now.store, now.store.counters, now.requests
                told = now.hooks.delivered + now.hooks.dropped
                assert now.hooks.events == told + now.hooks.waiting
                gone = counters.deleted + counters.purged + counters.evicted
                assert counters.created == sum(store.sessions.values()) + gone
                removed = counters.frames_removed + counters.frames_dropped
                assert counters.frames_added == store.frames + removed
                settled = requests.answered + requests.timed_out + requests.dropped
                settled += requests.superseded + requests.withdrawn + requests.cancelled
                assert requests.started == requests.pending + settled
                each = [*store.sessions.values(), *counters.ended.values(), store.frames, gone]
                each += [getattr(requests, n) for n in type(requests).__slots__ if n != "latency"]
                assert min(each) >= 0
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        await asyncio.gather(*(use() for _ in range(16)))
        assert not looking.done()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        numbers = await manager.statistics()
        assert numbers.requests.started > 50
        assert numbers.hooks.events > 50


async def test_status_and_state_disagreeing(manager: SessionManager) -> None:
    """Two fields set one after the other. Here the status is a function of the state."""
    await manager.create_session(transport_type="stdio", id="a")
    seen: set[tuple[SessionState, SessionStatus]] = set()

    async def look() -> None:
        while True:
            session = await manager.get_session("a")
            seen.add((session.state, session.status))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await manager.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
    await manager.modify_session("a", lambda s: s.model_copy(update={"state": "shutting-down"}))
    await manager.fail_session("a", "x")
    for _ in range(20):
        await asyncio.sleep(0)
    looking.cancel()
    assert (SessionState.FAILED, SessionStatus.FAILED) in seen
    assert all(status is state.status for state, status in seen)
    with pytest.raises(ValueError, match="status"):
        (await manager.get_session("a")).model_copy(update={"status": "active"})


async def test_check_then_act_at_shutdown() -> None:
    """ "Not closing" is checked, something is awaited, and the session is made after the end.

    Here whoever is let in is in the report, and whoever is refused has left nothing.
    """
    for late in range(30):
        async with ActorSessionStore(capacity=2) as store:
            manager = await SessionManager.with_store(store).open()

            async def create(late: int = late, manager: SessionManager = manager) -> None:
                for _ in range(late):
                    await asyncio.sleep(0)
                await manager.create_session(transport_type="stdio")

            tasks = [asyncio.create_task(create()) for _ in range(5)]
            for _ in range(late // 2):
                await asyncio.sleep(0)
            report = await manager.aclose()
            count = await store.count_sessions()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert report.live_sessions == count == results.count(None)
            assert all(each is None or isinstance(each, StoreClosed) for each in results)
            assert await store.count_sessions() == count


async def test_count_raised_without_its_frame() -> None:
    """The counter goes up, then the append fails or its caller is cancelled."""
    limits = StoreLimits(max_frames_per_session=20)
    async with (
        ActorSessionStore(limits=limits, capacity=4) as store,
        SessionManager.with_store(store) as manager,
    ):
        await manager.create_session(transport_type="stdio", id="a")
        calls = [asyncio.create_task(manager.record(message("a", method="x"))) for _ in range(60)]
        for n, call in enumerate(calls):
            if n % 3 == 0:
                await asyncio.sleep(0)
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        numbers = (await manager.statistics()).store
        session = await manager.get_session("a")
        frames = len(await store.get_frames("a"))
        assert frames == numbers.frames == numbers.counters.frames_added == session.frame_count
        assert frames == session.last_seq == await store.count_frames("a") == 20


@pytest.mark.parametrize("how", ["complete", "fail", "delete", "evict", "expire", "purge"])
async def test_pending_requests_left_behind_by_a_dead_session(how: str) -> None:
    """They wait for ever, and fill the limit for all."""
    async with SessionManager(small("evict-idle", 1)) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        for n in range(3):
            await manager.record(request("a", n))
        assert len(manager.pending_requests("a")) == 3
        if how == "complete":
            await manager.complete_session("a")
        elif how == "fail":
            await manager.fail_session("a", "x")
        elif how == "delete":
            await manager.delete_session("a")
        elif how == "evict":
            await manager.create_session(transport_type="stdio", id="b")
        else:
            await manager.store.expire_sessions(idle=0)
            if how == "purge":
                await manager.store.purge_sessions(ended_for=0)
        assert manager.pending_requests() == []
        assert (await manager.statistics()).requests.dropped == 3


async def test_two_sessions_with_the_same_json_rpc_id(manager: SessionManager) -> None:
    """Keyed by the id alone, one session's response answers another's request."""
    for name in "ab":
        await manager.create_session(transport_type="stdio", id=name)
        await manager.record(request(name, 1))
    await manager.record(response("b", 1))
    assert [pending.session_id for pending in manager.pending_requests()] == ["a"]
    assert manager.match(response("b", 1)) is None
    matched = manager.match(response("a", 1))
    assert matched is not None
    assert matched.session_id == "a"


async def test_a_session_recreated_by_a_late_update(manager: SessionManager) -> None:
    """A writer that read before the deletion writes it back, or writes over its successor."""
    old = await manager.create_session(transport_type="stdio", id="a", tags={"old"})
    await manager.delete_session("a")
    late = old.model_copy(update={"state": "active"})
    for call in (
        manager.store.update_session(late),
        manager.modify_session("a", lambda _: late),
        manager.complete_session("a"),
        manager.record(request("a", 1)),
    ):
        with pytest.raises(SessionNotFound):
            await call
    assert await manager.store.count_sessions() == 0
    new = await manager.create_session(transport_type="stdio", id="a", tags={"new"})
    with pytest.raises(RevisionConflict):
        await manager.store.update_session(late)
    assert await manager.get_session("a") == new
    await manager.complete_session("a")
    with pytest.raises(SessionClosed):
        await manager.record(request("a", 1))


@pytest.mark.parametrize("sessions_full", ["reject", "evict-ended", "evict-idle"])
async def test_limits_overshot_by_racing_creators(sessions_full: str) -> None:
    """All look, all see room, all create. Here the look and the creation are one step."""
    maximum: list[int] = []
    async with SessionManager(small(sessions_full, 10)) as manager:

        async def create() -> bool:
            try:
                await manager.create_session(transport_type="stdio")
            except LimitExceeded:
                return False
            finally:
                maximum.append(await manager.store.count_sessions())
            return True

        created = await asyncio.gather(*(create() for _ in range(64)))
        assert created.count(True) == (64 if sessions_full == "evict-idle" else 10)
        assert await manager.store.count_sessions() == max(maximum) == 10
        counters = (await manager.statistics()).store.counters
        assert counters.created - counters.evicted == 10
