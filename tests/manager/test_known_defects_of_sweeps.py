"""Known defects of session managers in sweeping, queues and clocks: shown not to happen here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    ManagerConfig,
    MessageEnvelope,
    SessionClosed,
    SessionEvent,
    SessionHooks,
    SessionManager,
    SessionState,
    StoreLimits,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Time


def note(session_id: str) -> MessageEnvelope:
    """A notification to the server."""
    message = {"jsonrpc": "2.0", "method": "notifications/x"}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def create(manager: SessionManager, count: int) -> None:
    """Create this many sessions, named by numbers."""
    for n in range(count):
        await manager.create_session(transport_type="stdio", id=str(n))


async def test_sweep_racing_active_use(time: Time) -> None:
    """The sweep finds a session idle; before it ends it, a message comes; an active one dies.

    Here the look and the end are one step: whoever was answered was in time, and kept it alive.
    """
    clock = Clock(steady=time)
    async with (
        ActorSessionStore(clock=clock, capacity=4) as store,
        SessionManager.with_store(store, ManagerConfig.recording(), clock=clock) as manager,
    ):
        await create(manager, 60)
        time.now = 10.0
        recording = [asyncio.create_task(manager.record(note(str(n)))) for n in range(0, 60, 2)]
        expiring = [
            asyncio.create_task(store.expire_sessions(idle=10.0, limit=7)) for _ in range(9)
        ]
        late = [asyncio.create_task(manager.record(note(str(n)))) for n in range(0, 60, 3)]
        results = await asyncio.gather(*recording, *late, return_exceptions=True)
        ended = {session.id for batch in await asyncio.gather(*expiring) for session in batch}
        for n, result in zip([*range(0, 60, 2), *range(0, 60, 3)], results, strict=True):
            session = await manager.get_session(str(n))
            if isinstance(result, SessionClosed):
                assert session.id in ended
            else:
                assert session.frame_count > 0
                assert session.state is SessionState.INITIALIZING
                assert session.id not in ended
        assert len(ended) == 30


async def test_duplicate_entries_in_the_eviction_order(time: Time) -> None:
    """Every use appends to the order, so it grows, and one session is evicted twice."""
    clock = Clock(steady=time)
    limits = StoreLimits.model_validate({"max_sessions": 5, "sessions_full": "evict-idle"})
    evicted: list[str] = []
    hooks = SessionHooks(evicted=lambda event: evicted.append(event.session.id))
    async with (
        ActorSessionStore(clock=clock, limits=limits) as store,
        SessionManager.with_store(store, hooks=hooks) as manager,
    ):
        await create(manager, 5)
        for _ in range(50):
            for n in (4, 3, 3, 2, 0):
                time.now += 0.001  # of one moment, the order would be that of the ids
                await manager.record(note(str(n)))
        for n in range(5):
            await manager.create_session(transport_type="stdio", id=f"new{n}")
        await manager._services.dispatcher.flush()
        assert evicted == ["1", "4", "3", "2", "0"]
        tables = store._actor._runner._state  # type: ignore[attr-defined]  # how much it holds
        assert len(tables._by_activity) == len(tables._by_age) == 5


async def test_a_full_scan_to_find_the_expired(time: Time) -> None:
    """Each sweep looks at every session. Here one that finds nothing looks at two, of any number.

    Counted in looks at a session's row, which is what a scan is made of.
    """
    clock = Clock(steady=time)
    config = ManagerConfig(sweep_interval=3_600.0)  # or its own sweeps would be counted too
    async with (
        ActorSessionStore(clock=clock) as store,
        SessionManager.with_store(store, config) as manager,
    ):
        await create(manager, 2_000)
        tables = store._actor._runner._state  # type: ignore[attr-defined]  # to count its looks
        looks = 0
        for name in ("least_active", "oldest_live", "oldest_ended"):
            real = getattr(tables, name)

            def counted(real: object = real) -> object:
                nonlocal looks
                looks += 1
                return real()  # type: ignore[operator]  # a method of the tables

            setattr(tables, name, counted)
        for name in ("rows", "rows_after"):
            setattr(tables, name, None)  # a scan would call these
        assert await store.expire_sessions(idle=5.0, age=50.0) == []
        assert await store.purge_sessions(ended_for=5.0) == 0
        assert looks <= 3
        time.now = 5.0
        looks = 0
        assert len(await store.expire_sessions(idle=5.0, limit=10)) == 10
        assert looks <= 20


async def test_a_sweeper_that_never_started_or_died_silently(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """A task nobody starts, or whose first error ends it unseen.

    Here opening starts it, the statistics say how it fares, and its death is told and repaired.
    """
    config = ManagerConfig(idle=5.0)
    clock = Clock(steady=time)
    async with (
        ActorSessionStore(clock=clock) as store,
        SessionManager.with_store(store, config, clock=clock, sleep=time.sleep) as manager,
    ):
        assert (await manager.statistics()).sweeper.state == "running"
        assert (await manager.statistics()).sweeper.since_last_sweep is None
        await create(manager, 2)
        [task] = [each for each in asyncio.all_tasks() if "sweeper" in each.get_name()]
        task.cancel()
        await asyncio.wait({task})
        assert (await manager.statistics()).sweeper.restarts == 1
        assert "sweeper died" in caplog.text
        time._asleep.clear()
        await time.pass_on(5)
        numbers = (await manager.statistics()).sweeper
        assert (numbers.state, numbers.since_last_sweep, numbers.done["expire"]) == (
            "running",
            0,
            2,
        )


async def test_unbounded_queues() -> None:
    """Events, requests and callers pile up without a limit while something is slow.

    Here the queue of events has a bound, and counts what it drops; the mailbox makes callers wait.
    """
    gate = asyncio.Event()

    async def slow(event: SessionEvent) -> None:
        await gate.wait()

    config = ManagerConfig(max_events=10, max_pending=10)
    async with (
        ActorSessionStore(capacity=8) as store,
        SessionManager.with_store(store, config, hooks=SessionHooks(created=slow)) as manager,
    ):
        creating = asyncio.gather(
            *(manager.create_session(transport_type="stdio") for _ in range(500))
        )
        deepest = 0
        while not creating.done():
            mailbox = (await manager.statistics()).store.mailbox
            assert mailbox is not None
            deepest = max(deepest, mailbox.depth)
            assert (await manager.statistics()).hooks.waiting <= 11
        assert deepest <= 8
        hooks = (await manager.statistics()).hooks
        assert (hooks.events, hooks.waiting, hooks.dropped) == (500, 11, 489)
        gate.set()


async def test_one_task_per_event() -> None:
    """`create_task(hook(event))`: thousands at once, in any order, lost by the collector."""
    order: list[str] = []
    maximum = 0

    async def created(event: SessionEvent) -> None:
        nonlocal maximum
        maximum = max(maximum, len(asyncio.all_tasks()))
        await asyncio.sleep(0)
        order.append(event.session.id)

    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(
            store, ManagerConfig.recording(), hooks=SessionHooks(created=created)
        ) as manager,
    ):
        before = len(asyncio.all_tasks())
        await create(manager, 300)
        assert len(asyncio.all_tasks()) <= before + 1
        await manager._services.dispatcher.flush()
    assert order == [str(n) for n in range(300)]
    assert maximum <= before + 1


@pytest.mark.parametrize("jump", [1e9, -1e9])
async def test_wall_clock_ages(time: Time, jump: float) -> None:
    """The clock is set right, and every session is a year old; or none will ever be.

    Here ages are those of a steady clock, in the store, the requests and the rates.
    """
    wall = 1e9
    clock = Clock(wall=lambda: wall, steady=time)
    config = ManagerConfig(idle=10.0, age=20.0, retention=10.0, rate_limit=1.0)
    async with (
        ActorSessionStore(clock=clock) as store,
        SessionManager.with_store(store, config, clock=clock, sleep=time.sleep) as manager,
    ):
        await create(manager, 2)
        await manager.complete_session("1")
        request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        await manager.record(MessageEnvelope.of("0", request, direction="client-to-server"))
        wall += jump
        await time.pass_on(9)
        states = {session.id: session.state for session in await store.list_sessions()}
        assert states == {"0": SessionState.INITIALIZING, "1": SessionState.CLOSED}
        assert len(manager.pending_requests()) == 1
        await time.pass_on(1)
        states = {session.id: session.state for session in await store.list_sessions()}
        assert states == {"0": SessionState.TIMED_OUT}
