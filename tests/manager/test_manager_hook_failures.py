"""A failing hook is reported and does no harm; a slow one has bounded memory (Guarantees 15.3)."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

import pytest
from sessionkeeper import (
    ActorSessionStore,
    HookFailure,
    ManagerConfig,
    SessionEvent,
    SessionHooks,
    SessionManager,
)

from tests.support.eager_tasks import start_eagerly


async def create(manager: SessionManager, *ids: str) -> None:
    """New sessions of these ids."""
    for each in ids:
        await manager.create_session(transport_type="stdio", id=each)


def failing(kind: str) -> Callable[[SessionEvent], Awaitable[None] | None]:
    """A hook that fails in a way of its own."""

    def raising(event: SessionEvent) -> None:
        raise ValueError(f"canary {event.session.id}")

    def cancelled(event: SessionEvent) -> None:
        raise asyncio.CancelledError

    def wild(event: SessionEvent) -> None:
        raise type("Wild", (BaseException,), {})

    async def raising_later(event: SessionEvent) -> None:
        await asyncio.sleep(0)
        raise ValueError(f"canary {event.session.id}")

    async def cancelling_itself(event: SessionEvent) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def wild_later(event: SessionEvent) -> None:
        await asyncio.sleep(0)
        raise type("Wild", (BaseException,), {})

    async def too_slow(event: SessionEvent) -> None:
        await asyncio.Event().wait()

    return {
        hook.__name__: hook
        for hook in (
            *(raising, cancelled, wild, raising_later, cancelling_itself, wild_later, too_slow),
        )
    }[kind]


KINDS = {
    "raising": "ValueError",
    "cancelled": "CancelledError",
    "wild": "Wild",
    "raising_later": "ValueError",
    "cancelling_itself": "CancelledError",
    "wild_later": "Wild",
    "too_slow": "TimeoutError",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failing_hook_is_reported_and_affects_nobody_else(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted, logged by type, given to `failed`; the callers and the other hooks go on."""
    failures: list[HookFailure] = []
    told: list[str] = []
    hooks = SessionHooks(
        created=failing(kind),
        state_changed=lambda event: told.append(event.session.id),
        ended=failing(kind),
        failed=failures.append,
    )
    # The other kinds fail by themselves, however slow the machine is.
    config = ManagerConfig(hook_timeout=0.01 if kind == "too_slow" else None)
    async with SessionManager(config, hooks=hooks) as manager:
        await create(manager, "a", "b")
        await manager.complete_session("a")
        await manager.complete_session("b")
        await manager._services.dispatcher.flush()
        numbers = (await manager.statistics()).hooks
        assert (numbers.events, numbers.delivered, numbers.failures) == (4, 4, 4)
        assert (numbers.last_failure, numbers.restarts) == (KINDS[kind], 0)
        report = await manager.aclose()
    assert told == ["a", "b"]
    assert [failure.hook for failure in failures] == ["created", "created", "ended", "ended"]
    assert {type(failure.error).__name__ for failure in failures} == {KINDS[kind]}
    assert isinstance(failures[0].about, SessionEvent)
    assert (report.undelivered_events, report.deadline_missed) == (0, False)
    lines = [record.getMessage() for record in caplog.records if record.name == "sessionkeeper"]
    assert [line.rsplit(" ", 1)[1] for line in lines] == [KINDS[kind]] * 4
    assert "canary" not in caplog.text


async def test_a_failing_report_of_a_failure_is_only_counted() -> None:
    """`failed` is not told of itself."""
    told: list[HookFailure] = []

    async def failed(failure: HookFailure) -> None:
        told.append(failure)
        raise ValueError

    async with SessionManager(
        hooks=SessionHooks(created=failing("raising"), failed=failed)
    ) as manager:
        await create(manager, "a", "b")
        await manager._services.dispatcher.flush()
        assert (await manager.statistics()).hooks.failures == 4
    assert [failure.hook for failure in told] == ["created", "created"]


async def test_the_store_never_waits_for_a_hook() -> None:
    """A hook that hangs holds up hooks only."""
    async with SessionManager(
        ManagerConfig(close_timeout=0.01), hooks=SessionHooks(created=failing("too_slow"))
    ) as manager:
        await create(manager, "a", "b", "c")
        assert (await manager.statistics()).hooks.waiting == 3
        report = await manager.aclose()
    assert (report.undelivered_events, report.deadline_missed) == (3, True)


async def test_too_many_events_drop_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    """The queue is bounded; each overflow is reported once, each drop counted."""
    told: list[str] = []
    gate = asyncio.Event()

    async def created(event: SessionEvent) -> None:
        await gate.wait()
        told.append(event.session.id)

    config = ManagerConfig(max_events=5)
    async with SessionManager(config, hooks=SessionHooks(created=created)) as manager:
        for overflow in range(2):
            gate.clear()
            await create(manager, f"first{overflow}")
            while manager._services.dispatcher._awaited is None:
                await asyncio.sleep(0)
            await create(manager, *(f"{overflow}-{n}" for n in range(20)))
            numbers = (await manager.statistics()).hooks
            assert (numbers.waiting, numbers.dropped) == (6, 15 * (overflow + 1))
            assert numbers.events == numbers.delivered + numbers.dropped + numbers.waiting
            gate.set()
            await manager._services.dispatcher.flush()
    assert told == [
        *("first0", "0-15", "0-16", "0-17", "0-18", "0-19"),
        *("first1", "1-15", "1-16", "1-17", "1-18", "1-19"),
    ]
    assert caplog.text.count("too slow") == 2


async def test_one_hook_runs_at_a_time_in_one_task() -> None:
    """Never a task per event: a thousand make no task more, and one while a hook waits."""
    running, most_running, most_tasks = 0, 0, 0

    async def created(event: SessionEvent) -> None:
        nonlocal running, most_running, most_tasks
        running += 1
        await asyncio.sleep(0)
        most_running = max(most_running, running)
        most_tasks = max(most_tasks, len(asyncio.all_tasks()))
        running -= 1

    async with ActorSessionStore() as store:
        idle = len(asyncio.all_tasks()) + 2  # the sweeper and the dispatcher
        config = ManagerConfig.recording()
        async with SessionManager.with_store(
            store, config, hooks=SessionHooks(created=created)
        ) as manager:
            for n in range(1_000):
                await manager.create_session(transport_type="stdio", id=f"s{n}")
            assert len(asyncio.all_tasks()) <= idle + 1
            await manager._services.dispatcher.flush()
    assert most_running == 1
    assert most_tasks <= idle + 1


async def test_functions_that_never_await_do_not_keep_the_loop() -> None:
    """Between two events others have their turn, however many events wait."""
    turns_at: list[int] = []
    turns = 0

    def created(event: SessionEvent) -> None:
        turns_at.append(turns)

    async with SessionManager(hooks=SessionHooks(created=created)) as manager:
        await asyncio.gather(*(create(manager, f"s{n}") for n in range(50)))
        while not manager._services.dispatcher._idle.is_set():
            turns += 1
            await asyncio.sleep(0)
    assert len(turns_at) == 50
    assert len(set(turns_at)) > 40


async def test_a_hook_that_ignores_its_cancellation_is_waited_for_and_left_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No second hook beside it; closing reports it and does not hang."""
    release, entered = asyncio.Event(), []

    async def created(event: SessionEvent) -> None:
        entered.append(event.session.id)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    config = ManagerConfig(hook_timeout=0.001, close_timeout=0.02)
    async with SessionManager(config, hooks=SessionHooks(created=created)) as manager:
        await create(manager, "a", "b")
        while not entered:
            assert not manager._services.dispatcher._idle.is_set()
            await asyncio.sleep(0)
        report = await manager.aclose()
    assert (report.undelivered_events, report.deadline_missed) == (2, True)
    assert entered == ["a"]
    assert "left behind" in caplog.text
    release.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("hook")]


async def test_a_dispatcher_that_is_cancelled_goes_on_where_it_was() -> None:
    """A cancellation from outside loses no event; the death is counted."""
    told: list[str] = []
    gate = asyncio.Event()

    async def created(event: SessionEvent) -> None:
        await gate.wait()
        told.append(event.session.id)

    async with SessionManager(hooks=SessionHooks(created=created)) as manager:
        await create(manager, "a", "b", "c")
        [task] = [task for task in asyncio.all_tasks() if "hooks" in task.get_name()]
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        gate.set()
        await manager._services.dispatcher.flush()
        numbers = (await manager.statistics()).hooks
        assert (numbers.delivered, numbers.restarts) == (3, 1)
    assert told == ["a", "b", "c"]


@pytest.mark.parametrize("eager", [False, True])
async def test_closing_from_a_hook_is_refused(
    eager: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It would wait for itself: `RuntimeError`, and the manager lives on."""
    if eager and sys.version_info < (3, 12):
        pytest.skip("tasks are eager from Python 3.12 on")
    asyncio.get_running_loop().set_task_factory(start_eagerly if eager else None)
    caplog.set_level(logging.ERROR)
    failures: list[HookFailure] = []
    managers: list[SessionManager] = []

    async def created(event: SessionEvent) -> None:
        await managers[0].aclose()

    hooks = SessionHooks(created=created, failed=failures.append)
    async with SessionManager(hooks=hooks) as manager:
        managers.append(manager)
        await create(manager, "a")
        await manager._services.dispatcher.flush()
        await create(manager, "b")
    assert [type(failure.error) for failure in failures] == [RuntimeError, RuntimeError]
