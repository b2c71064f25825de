"""The effect of the manager's sweeper on sessions, requests and rates (Guarantees 15.4)."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sessionkeeper import (
    ActorSessionStore,
    Clock,
    ManagerConfig,
    MessageEnvelope,
    PlainSessionStore,
    SessionEvent,
    SessionHooks,
    SessionManager,
    SessionState,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Time, Wire

who: ContextVar[str] = ContextVar("who", default="nobody")
IDLE = ManagerConfig(idle=10.0, age=None, retention=None, request_timeout=None)


def note(session_id: str, **members: object) -> MessageEnvelope:
    """A message to the server."""
    message = {"jsonrpc": "2.0", "method": "notifications/x", **members}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


class Swept:
    """A store and a manager that share a clock; its wall clock is another one."""

    def __init__(
        self, time: Time, config: ManagerConfig, hooks: SessionHooks | None = None
    ) -> None:
        self.wall = 1e9
        clock = Clock(steady=time, wall=lambda: self.wall)
        self.store = ActorSessionStore(clock=clock)
        self.manager = SessionManager.with_store(
            self.store, config, hooks=hooks, clock=clock, sleep=time.sleep
        )

    async def __aenter__(self) -> SessionManager:
        await self.store.open()
        return await self.manager.open()

    async def __aexit__(self, *_: object) -> None:
        await self.manager.aclose()
        await self.store.aclose()


async def create(manager: SessionManager, *ids: str) -> None:
    """New sessions of these ids."""
    for each in ids:
        await manager.create_session(transport_type="stdio", id=each)


async def states(manager: SessionManager) -> dict[str, str]:
    """The existing sessions, with their states."""
    return {session.id: str(session.state) for session in await manager.store.list_sessions()}


async def test_idle_sessions_are_ended_and_active_ones_are_not(time: Time) -> None:
    """`idle` seconds without activity: `timed-out`."""
    async with Swept(time, IDLE) as manager:
        await create(manager, "a", "b")
        for _ in range(9):
            await time.pass_on()
        await manager.record(note("b"))
        await time.pass_on()
        assert await states(manager) == {"a": "timed-out", "b": "initializing"}
        for _ in range(9):
            await time.pass_on()
        assert await states(manager) == {"a": "timed-out", "b": "timed-out"}
        numbers = await manager.statistics()
        assert numbers.sweeper.done == {"expire": 2}
        assert numbers.store.counters.ended[SessionState.TIMED_OUT] == 2


async def test_old_sessions_are_ended_however_active(time: Time) -> None:
    """`age` seconds after their creation."""
    config = ManagerConfig(idle=None, age=5.0, retention=None)
    async with Swept(time, config) as manager:
        await create(manager, "a")
        for _ in range(4):
            await time.pass_on()
            await manager.record(note("a"))
        assert await states(manager) == {"a": "initializing"}
        await time.pass_on()
        assert await states(manager) == {"a": "timed-out"}


async def test_ended_sessions_are_deleted_after_their_retention(time: Time) -> None:
    """`retention` seconds after their end; live ones never."""
    config = ManagerConfig(idle=None, age=None, retention=5.0)
    async with Swept(time, config) as manager:
        await create(manager, "a", "b", "live")
        await manager.complete_session("a")
        await time.pass_on(3)
        await manager.fail_session("b", "x")
        await time.pass_on(2)
        assert [*await states(manager)] == ["b", "live"]
        await time.pass_on(3)
        assert [*await states(manager)] == ["live"]
        counters = (await manager.statistics()).store.counters
        assert (counters.purged, counters.deleted) == (2, 0)


async def test_the_sweeper_times_requests_out_and_reports_it(time: Time, wire: Wire) -> None:
    """Without anybody asking."""
    told: list[str] = []
    hooks = SessionHooks(request_timed_out=lambda request: told.append(request.session_id))
    config = ManagerConfig(idle=None, age=None, retention=None, request_timeout=3.0)
    async with Swept(time, config, hooks) as manager:
        await create(manager, "a", "b")
        await manager.record(wire.ask(method="ping"))
        for _ in range(2):
            await time.pass_on()
        assert len(manager._services.requests) == 1
        await time.pass_on()
        assert len(manager._services.requests) == 0
        await manager._services.dispatcher.flush()
        assert (await manager.statistics()).sweeper.done == {"expire": 0, "time-out": 1}
    assert told == ["a"]


async def test_the_sweeper_forgets_full_rates(time: Time) -> None:
    """Sessions that rest have no bucket."""
    config = ManagerConfig.recording(rate_limit=1.0)
    async with Swept(time, config) as manager:
        await create(manager, *(f"s{n}" for n in range(250)))
        for n in range(250):
            await manager.record(note(f"s{n}"))
        rates = manager._services.rates
        assert rates is not None
        assert len(rates) == 250
        await time.pass_on(2)
        assert len(rates) == 0


async def test_many_expire_in_batches(time: Time) -> None:
    """A full batch is followed by the next one in the same sweep; others come in between."""
    config = IDLE.model_copy(update={"sweep_batch": 10})
    seen: list[int] = []

    async def look(manager: SessionManager) -> None:
        while True:
            sessions = (await manager.store.statistics()).sessions
            seen.append(sessions[SessionState.TIMED_OUT])

    async with Swept(time, config) as manager:
        await create(manager, *(f"s{n}" for n in range(95)))
        looking = asyncio.create_task(look(manager))
        await time.pass_on(10)
        looking.cancel()
        assert (await manager.statistics()).sweeper.done == {"expire": 95}
    assert len(set(seen)) > 5
    assert all(count % 10 == 0 or count == 95 for count in seen)


async def test_events_of_the_sweeper_have_an_empty_context(time: Time) -> None:
    """Ends and deletions are events like any other, in an empty context."""
    told: list[tuple[str, str, str]] = []
    who.set("opener")

    def note_event(event: SessionEvent) -> None:
        told.append((str(event.kind), event.session.id, who.get()))

    hooks = SessionHooks(ended=note_event, deleted=note_event)
    config = ManagerConfig(idle=5.0, age=None, retention=5.0)
    async with Swept(time, config, hooks) as manager:
        await create(manager, "a")
        await time.pass_on(5)
        await time.pass_on(5)
        await manager._services.dispatcher.flush()
    assert told == [("state-changed", "a", "nobody"), ("purged", "a", "nobody")]


async def test_a_store_that_is_closed_by_its_maker_stops_the_sweeper(time: Time) -> None:
    """Reported in the statistics; closing the manager is as it ever was."""
    swept = Swept(time, IDLE)
    async with swept as manager:
        await create(manager, "a")
        await swept.store.aclose()
        time.now += 20
        time._turn.set()
        while manager._services._sweeper.statistics().state == "running":
            await asyncio.sleep(0)
        report = await manager.aclose()
        assert (report.live_sessions, report.deadline_missed) == (None, False)


async def test_a_recording_is_never_touched(time: Time) -> None:
    """`ManagerConfig.recording()`: a user may sit idle as long as they like."""
    store = PlainSessionStore(clock=Clock(steady=time))
    config = ManagerConfig.recording(sweep_interval=1e6)
    async with SessionManager.with_store(
        store, config, clock=Clock(steady=time), sleep=time.sleep
    ) as manager:
        await create(manager, "a")
        for n in range(1, 20):
            assert await manager.record(note("a", id=n)) == n
            await time.pass_on(1e6)
        assert (await manager.statistics()).sweeper.sweeps == 19
        assert await states(manager) == {"a": "initializing"}


async def test_a_session_ends_after_its_own_moment_in_every_manager(time: Time) -> None:
    """`expires_at`: without `idle` and `age`, and in a recorder, whatever the activity."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(wall=lambda: begin.timestamp() + time.now, steady=time)
    store = PlainSessionStore(clock=clock)
    async with SessionManager.with_store(
        store, ManagerConfig.recording(), clock=clock, sleep=time.sleep
    ) as manager:
        await create(manager, "a", "b")
        moment = begin + timedelta(seconds=3)
        await manager.modify_session("a", lambda s: s.model_copy(update={"expires_at": moment}))
        await time.pass_on(2)
        await manager.record(note("a", id=1))
        assert await states(manager) == {"a": "initializing", "b": "initializing"}
        await time.pass_on(1)
        assert await states(manager) == {"a": "timed-out", "b": "initializing"}
