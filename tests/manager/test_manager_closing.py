"""Closing in good order, within a deadline, with a report of what was left (Guarantees 15.6)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    ManagerConfig,
    MessageEnvelope,
    Session,
    SessionEvent,
    SessionHooks,
    SessionManager,
    ShutdownReport,
    SQLiteBackend,
    SQLiteSessionStore,
    StoreClosed,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Make, Wire

CLEAN = ShutdownReport(0, 0, 0, deadline_missed=False)


def request(session: str, request_id: int) -> MessageEnvelope:
    """A request to the server."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call"}
    return MessageEnvelope.of(session, message, direction="client-to-server")


def response(session: str, request_id: int) -> MessageEnvelope:
    """Its result."""
    message = {"jsonrpc": "2.0", "id": request_id, "result": {}}
    return MessageEnvelope.of(session, message, direction="server-to-client")


def note(session: str) -> MessageEnvelope:
    """A notification."""
    message = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
    return MessageEnvelope.of(session, message, direction="server-to-client")


async def opened(manager: SessionManager, *ids: str) -> None:
    """New sessions of these ids."""
    for each in ids:
        await manager.create_session(transport_type="stdio", id=each)


async def test_the_report_says_what_was_left(make: Make) -> None:
    """Pending requests and live sessions; nothing missed."""
    async with make() as manager:
        await opened(manager, "a", "b", "c")
        await manager.complete_session("c")
        await manager.record(request("a", 1))
        await manager.record(request("a", 2))
        await manager.record(response("a", 1))
        report = await manager.aclose()
        assert manager.pending_requests() == []  # reported, and let go
    assert report == ShutdownReport(1, 2, 0, deadline_missed=False)


async def test_a_clean_end_is_reported_clean(make: Make) -> None:
    """Before opening nothing is left, either."""
    assert await SessionManager().aclose() == CLEAN
    async with make() as manager:
        await opened(manager, "a")
        await manager.delete_session("a")
        assert await manager.aclose() == CLEAN


async def test_draining_waits_for_the_last_response(make: Make) -> None:
    """New sessions and new requests are refused at once; responses and the rest are taken."""
    async with make() as manager:
        await opened(manager, "a", "b")
        for n in range(3):
            await manager.record(request("a", n))
        closing = asyncio.create_task(manager.aclose(drain=1_000.0))
        await asyncio.sleep(0)
        for refused in (
            manager.create_session(transport_type="stdio", id="c"),
            manager.get_or_create_session(transport_type="stdio", id="a"),
            manager.record(request("a", 9)),
        ):
            with pytest.raises(StoreClosed):
                await refused
        await manager.record(note("a"))
        await manager.modify_session("b", lambda s: s.model_copy(update={"tags": {"t"}}))
        assert await manager.negotiate_version("b", "2025-06-18") == "2025-06-18"
        await manager.complete_session("b")
        for n in range(3):
            assert not closing.done()
            await manager.record(response("a", n))
        assert await closing == ShutdownReport(0, 1, 0, deadline_missed=False)


async def test_draining_has_an_end(make: Make) -> None:
    """Requests pending after `drain` seconds are in the report; that is no missed deadline."""
    async with make() as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        assert await manager.aclose(drain=0.01) == ShutdownReport(1, 1, 0, deadline_missed=False)


async def test_a_session_that_ends_is_not_waited_for() -> None:
    """Its requests will never be answered."""
    async with SessionManager() as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        closing = asyncio.create_task(manager.aclose(drain=1_000.0))
        await asyncio.sleep(0)
        await manager.fail_session("a", "gone")
        assert (await closing).pending_requests == 0


async def test_the_end_of_a_block_drains_as_configured() -> None:
    """`drain_timeout` is 0 by default."""
    async with SessionManager(ManagerConfig(drain_timeout=1_000.0)) as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))

        async def answer() -> None:
            while not manager._draining:
                await asyncio.sleep(0)
            await manager.record(response("a", 1))

        answering = asyncio.create_task(answer())
    await answering
    assert (await manager.aclose()).pending_requests == 0


async def test_after_the_end_all_writing_is_refused(make: Make) -> None:
    """`StoreClosed`, on a store that stays open as well; nothing is changed."""
    async with make() as manager:
        await opened(manager, "a")
        await manager.aclose()
        calls: list[Any] = [
            manager.create_session(transport_type="stdio"),
            manager.get_or_create_session(transport_type="stdio", id="a"),
            manager.modify_session("a", lambda s: s),
            manager.negotiate_version("a", "2025-06-18"),
            manager.record(request("a", 1)),
            manager.record(response("a", 1)),
            manager.record(note("a")),
            manager.complete_session("a"),
            manager.fail_session("a", "x"),
            manager.delete_session("a"),
        ]
        for call in calls:
            with pytest.raises(StoreClosed):
                await call
        assert manager.pending_requests() == []


@pytest.mark.parametrize("drain", [0.0, 0.01])
async def test_writing_is_refused_from_the_same_step_on(drain: float) -> None:
    """Without a drain from the call on; with one from its end."""
    async with ActorSessionStore() as store, SessionManager.with_store(store) as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        closing = asyncio.create_task(manager.aclose(drain=drain))
        at_once = asyncio.create_task(manager.record(note("a")))
        [result] = await asyncio.gather(at_once, return_exceptions=True)
        assert result == 2 if drain else isinstance(result, StoreClosed)
        await closing
        with pytest.raises(StoreClosed):
            await manager.record(note("a"))
        assert await store.count_frames("a") == (2 if drain else 1)


async def test_everybody_who_closes_gets_the_same_report() -> None:
    """Concurrent calls, later calls, and a call after a cancelled one."""
    async with SessionManager() as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        cancelled = asyncio.create_task(manager.aclose(drain=1_000.0))
        others = [asyncio.create_task(manager.aclose(drain=1_000.0)) for _ in range(8)]
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await manager.record(response("a", 1))
        reports = [*(await asyncio.gather(*others)), await manager.aclose(), await manager.aclose()]
    assert reports == [ShutdownReport(0, 1, 0, deadline_missed=False)] * 10
    assert len({id(report) for report in reports}) == 1


async def test_a_second_call_may_cut_the_wait_short() -> None:
    """The shorter timeout decides; a longer one changes nothing."""
    async with SessionManager() as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        first = asyncio.create_task(manager.aclose(drain=1_000.0))
        await asyncio.sleep(0)
        second = asyncio.create_task(manager.aclose(drain=2_000.0))
        await asyncio.sleep(0)
        assert not first.done()
        assert (await manager.aclose()).pending_requests == 1
        assert await first is await second


async def test_the_least_patience_decides_in_the_same_turn_too() -> None:
    """Two concurrent calls: the wait of the first has not begun yet."""
    for first, second in ((1_000.0, 0.0), (1_000.0, 0.001), (0.001, 1_000.0)):
        async with SessionManager() as manager:
            await opened(manager, "a")
            await manager.record(request("a", 1))
            closing = [asyncio.create_task(manager.aclose(drain=each)) for each in (first, second)]
            async with asyncio.timeout(300):
                reports = await asyncio.gather(*closing)
            assert reports[0] is reports[1]
            assert reports[0].pending_requests == 1


class Slow(ActorSessionStore):
    """Lets nothing through to its owner while the gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        await self.gate.wait()
        return await super().add_frame(envelope)


async def test_closing_waits_for_every_accepted_operation() -> None:
    """A message on its way to a slow store is recorded and counted before the report is made."""
    async with Slow() as store, SessionManager.with_store(store) as manager:
        await opened(manager, "a")
        for n in range(2):
            await manager.record(request("a", n))
        store.gate.clear()
        recording = asyncio.create_task(manager.record(response("a", 0)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(manager.aclose())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not closing.done()
        store.gate.set()
        assert (await closing).pending_requests == 1
        assert await recording == 3
        numbers = manager._services.requests.statistics()
        assert (numbers.answered, numbers.dropped, numbers.unmatched) == (1, 1, 0)


async def test_a_message_that_misses_the_deadline_is_counted_once() -> None:
    """Its store stays open and answers later: answered then, and never unmatched."""
    async with Slow() as store:
        config = ManagerConfig(close_timeout=0.01)
        manager = await SessionManager.with_store(store, config).open()
        await opened(manager, "a")
        await manager.record(request("a", 0))
        store.gate.clear()
        recording = asyncio.create_task(manager.record(response("a", 0)))
        await asyncio.sleep(0)
        report = await manager.aclose()
        assert report == ShutdownReport(1, None, 0, deadline_missed=True)
        store.gate.set()
        await recording
        numbers = manager._services.requests.statistics()
        assert (numbers.answered, numbers.dropped, numbers.unmatched) == (1, 0, 0)


@pytest.mark.parametrize("responses", [0, 5])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_waits_for_queued_writes_in_a_file(
    tmp_path: Path, cancelled: bool, responses: int
) -> None:
    """Reads overtake them there, so that a read that is answered says nothing of them.

    Also for those whose callers gave up while the owner worked: their sessions have ended, and
    the hooks are told.
    """
    told: list[str] = []
    path = str(tmp_path / "store.db")
    hooks = SessionHooks(ended=lambda event: told.append(event.session.id))
    config = ManagerConfig(backend=SQLiteBackend(path=path), close_timeout=None)
    manager = await SessionManager(config, hooks=hooks).open()
    await opened(manager, "r", *map(str, range(20)))
    for n in range(responses):
        await manager.record(request("r", n))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ends = [asyncio.create_task(manager.complete_session(str(n))) for n in range(20)]
    answers = [asyncio.create_task(manager.record(response("r", n))) for n in range(responses)]
    while not manager.store.mailbox.batches:  # type: ignore[union-attr]  # it has one
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.2, other.execute, "ROLLBACK")
    closing = asyncio.create_task(manager.aclose())
    await asyncio.sleep(0)
    if cancelled:
        ends[0].cancel()
    report = await closing
    other.close()
    results = await asyncio.gather(*ends, return_exceptions=True)
    assert sum(isinstance(each, Session) for each in results) == 20 - cancelled
    assert len(await asyncio.gather(*answers)) == responses
    async with SQLiteSessionStore(path) as store:
        ended = [each.id for each in await store.list_sessions() if each.state.is_terminal]
    assert told == ended
    assert report == ShutdownReport(0, 21 - len(ended), 0, deadline_missed=False)


async def test_a_report_of_a_missed_deadline_counts_what_came_to_its_end(tmp_path: Path) -> None:
    """Whatever a store finishes while it is closed is in the report: told, or undelivered."""
    told: list[str] = []
    path = str(tmp_path / "store.db")
    hooks = SessionHooks(ended=lambda event: told.append(event.session.id))
    config = ManagerConfig(backend=SQLiteBackend(path=path), close_timeout=0.05)
    manager = await SessionManager(config, hooks=hooks).open()
    await opened(manager, *map(str, range(8)))
    await manager.record(request("0", 1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ends = [asyncio.create_task(manager.complete_session(str(n))) for n in range(1, 8)]
    answer = asyncio.create_task(manager.record(response("0", 1)))
    await asyncio.sleep(0)
    store = manager.store

    async def unlock() -> None:
        while store.is_open:  # until the deadline has passed, and the store is closed
            await asyncio.sleep(0)
        other.execute("ROLLBACK")

    unlocking = asyncio.create_task(unlock())
    report = await manager.aclose()
    await unlocking
    results = await asyncio.gather(*ends, answer, return_exceptions=True)
    ended = sum(isinstance(each, Session) for each in results)
    assert report.deadline_missed
    assert report.live_sessions is None
    assert len(told) + report.undelivered_events == ended
    assert report.pending_requests == (not isinstance(results[-1], int))
    numbers = manager._services.requests.statistics()
    assert (numbers.unmatched, numbers.pending) == (0, 0)
    other.close()


async def test_hooks_run_before_the_store_closes() -> None:
    """Earlier events are delivered, and a hook may still read; the queue loses nothing."""
    seen: list[str] = []

    async def created(event: SessionEvent) -> None:
        await asyncio.sleep(0)
        seen.append((await manager.get_session(event.session.id)).id)

    async with SessionManager(hooks=SessionHooks(created=created)) as manager:
        creating = [
            asyncio.create_task(manager.create_session(transport_type="stdio", id=f"s{n}"))
            for n in range(50)
        ]
        await asyncio.sleep(0)
        report = await manager.aclose()
        assert len(await asyncio.gather(*creating)) == 50
    assert report == ShutdownReport(0, 50, 0, deadline_missed=False)
    assert seen == [f"s{n}" for n in range(50)]


async def test_a_missed_deadline_is_reported(wire: Wire) -> None:
    """A store that hangs is closed, too, and the report says what is not known."""

    class Hanging(wire.TenMethods):  # type: ignore[name-defined,misc]  # a class from a fixture
        async def count_sessions(self) -> int:
            entered.set()
            await asyncio.Event().wait()
            return 0

    entered = asyncio.Event()
    async with SessionManager.with_store(Hanging(), ManagerConfig(close_timeout=0.001)) as manager:
        hanging = asyncio.create_task(manager.store.count_sessions())
        await entered.wait()
        report = await manager.aclose()
    assert (report.live_sessions, report.deadline_missed) == (None, True)
    with pytest.raises(Exception, match="outcome"):
        await hanging


async def test_no_check_comes_before_an_await() -> None:
    """Whoever was let in before the end is served, whoever comes later is refused; none is lost.

    Callers and the end in every order of one turn: what was acknowledged is in the store.
    """
    for turn in range(40):
        async with ActorSessionStore(capacity=4) as store:
            manager = await SessionManager.with_store(store).open()
            done: list[object] = []

            async def create(n: int, manager: SessionManager = manager) -> str:
                return (await manager.create_session(transport_type="stdio", id=f"s{n}")).id

            async def close(manager: SessionManager = manager) -> ShutdownReport:
                return await manager.aclose()

            tasks = [asyncio.create_task(create(n)) for n in range(turn)]
            closing = asyncio.create_task(close())
            tasks += [asyncio.create_task(create(n)) for n in range(turn, 40)]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            report = await closing
            assert done[:turn] == [f"s{n}" for n in range(turn)]
            assert all(isinstance(each, StoreClosed) for each in done[turn:])
            assert report.live_sessions == await store.count_sessions() == turn


async def test_a_closed_manager_leaves_nothing_behind() -> None:
    """No task, no listener on the store it was given."""
    before = asyncio.all_tasks()
    async with ActorSessionStore() as store:
        for _ in range(3):
            hooks = SessionHooks(created=lambda _: None)
            async with SessionManager.with_store(store, hooks=hooks) as manager:
                await opened(manager, str(_))
        assert not store._listeners
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before


def test_closing_on_another_loop_is_refused() -> None:
    """A clear error, not a hang."""

    async def open_one() -> SessionManager:
        return await SessionManager(ManagerConfig.recording()).open()

    with asyncio.Runner() as runner:
        manager = runner.run(open_one())
        with asyncio.Runner() as other, pytest.raises(RuntimeError, match="loop"):
            other.run(manager.aclose())
        runner.run(manager.aclose())
