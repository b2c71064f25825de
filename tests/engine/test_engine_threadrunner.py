"""The seam: an owner whose batches are applied on a thread keeps every promise.

`ThreadRunner` is what a backend on a thread must be, in its shortest form.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    Batch,
    MailboxClosed,
    OwnerCrashed,
    Reply,
    Runner,
    WrongLoop,
    fail,
    succeed,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory

Outcome = tuple[Reply, object, Exception | None]


class ThreadRunner(Runner[list[object]]):
    """Applies batches on its own thread and settles replies on the loop.

    When it is cancelled, the command under way is finished and answered, the rest is left alone.
    """

    def __init__(self, state: list[object]) -> None:
        self._state = state
        self._stop = False
        self.cancelled = asyncio.Event()

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="owner")

    async def run(self, batch: Batch[list[object]], /) -> None:
        outcomes: list[Outcome] = []
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._apply, batch, outcomes
        )
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop = True
            self.cancelled.set()
            await asyncio.wait({work})
            raise
        finally:
            for reply, value, error in outcomes:
                succeed(reply, value) if error is None else fail(reply, error)

    async def aclose(self) -> None:
        self._thread.shutdown()

    def _apply(self, batch: Batch[list[object]], outcomes: list[Outcome]) -> None:
        for command, reply in batch:
            if self._stop:
                return
            if not reply.done():
                try:
                    outcomes.append((reply, command.apply(self._state), None))
                except ValueError as error:
                    outcomes.append((reply, None, error))


class Slow:
    """An action of a command that signals its beginning and ends at a signal."""

    def __init__(self, actors: ActorFactory) -> None:
        self._actors = actors
        self._loop = asyncio.get_running_loop()
        self._go_on = threading.Event()
        self.begun = asyncio.Event()

    def __call__(self) -> object:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._go_on.wait(1800)
        self._actors.state.append("slow")
        return len(self._actors.state)

    def finish(self) -> None:
        self._go_on.set()


@pytest.fixture
async def actor(actors: ActorFactory) -> AsyncIterator[Actor[list[object]]]:
    async with Actor(ThreadRunner(actors.state), capacity=3) as actor:
        yield actor


async def test_commands_on_a_thread_are_applied_in_order(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """The seam does not show."""
    replies: list[asyncio.Future[Any]] = [actor.ask(actors.note(n)) for n in range(50)]

    assert await asyncio.gather(*replies) == [*range(1, 51)]
    assert actors.state == [*range(50)]


async def test_an_expected_error_on_a_thread_reaches_its_caller_alone(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Hazard 7."""
    replies: list[asyncio.Future[Any]] = [
        actor.ask(actors.fail(ValueError())),
        actor.ask(actors.do(lambda: 1)),
    ]
    await asyncio.wait(replies)

    assert isinstance(replies[0].exception(), ValueError)
    assert replies[1].result() == 1


async def test_a_caller_cancelled_in_mid_batch_is_served_whole_or_not(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Hazard 3 and Guarantees 5.2: the first is under way, the second not yet begun."""
    slow = Slow(actors)
    replies: list[asyncio.Future[Any]] = [
        actor.ask(actors.do(slow)),
        actor.ask(actors.note(2)),
        actor.ask(actors.note(3)),
    ]
    await slow.begun.wait()

    replies[0].cancel()
    replies[1].cancel()
    slow.finish()

    assert await replies[2] == 2
    assert actors.state == ["slow", 3]


async def test_a_caller_cancelled_between_its_command_and_its_answer_harms_nobody(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Hazard 3 (aiosqlite#80): applied whole, and nobody is there to hear it."""
    slow = Slow(actors)
    replies: list[asyncio.Future[Any]] = [
        actor.ask(actors.note(1)),
        actor.ask(actors.do(slow)),
        actor.ask(actors.note(3)),
    ]
    await slow.begun.wait()

    replies[0].cancel()
    slow.finish()

    assert await asyncio.gather(*replies[1:]) == [2, 3]
    assert actors.state == [1, "slow", 3]


async def test_a_crash_on_a_thread_answers_everyone(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Hazard 4: applied commands are answered with their values, the others with the error."""
    commands = [actors.do(lambda: 1), actors.fail(KeyError("bug")), *[actors.do(lambda: 3)] * 4]
    replies: list[asyncio.Future[Any]] = [actor.ask(command) for command in commands]
    await asyncio.wait(replies)

    assert replies[0].result() == 1
    assert [type(reply.exception()) for reply in replies[1:]] == [OwnerCrashed] * 5


async def test_closing_with_a_timeout_finishes_the_command_under_way(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Guarantees 13.1: what is left is answered with `MailboxClosed`, certainly not applied.

    Many who close, and their timeouts, do not tear the runner from the command under way.
    """
    runner = actor._runner
    assert isinstance(runner, ThreadRunner)
    slow = Slow(actors)
    replies: list[asyncio.Future[Any]] = [actor.ask(actors.do(slow))]
    replies += [actor.ask(actors.note(n)) for n in range(5)]
    await slow.begun.wait()
    closing = [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await runner.cancelled.wait()
    closing += [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await asyncio.wait(closing, timeout=0)
    assert not any(task.done() for task in closing)

    slow.finish()
    await asyncio.gather(*closing)

    assert replies[0].result() == 1
    assert [type(reply.exception()) for reply in replies[1:]] == [MailboxClosed] * 5
    assert actors.state == ["slow"]


async def test_closing_without_a_timeout_finishes_all(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Guarantees 13.1."""
    slow = Slow(actors)
    replies: list[asyncio.Future[Any]] = [actor.ask(actors.do(slow))]
    replies += [actor.ask(actors.note(n)) for n in range(5)]
    closing = asyncio.create_task(actor.aclose())
    await slow.begun.wait()
    assert not closing.done()

    slow.finish()
    await closing

    assert [reply.result() for reply in replies] == [1, 2, 3, 4, 5, 6]


async def test_a_command_on_a_thread_cannot_ask_its_owner(
    actors: ActorFactory, actor: Actor[list[object]]
) -> None:
    """Hazards 10 and 19: it raises, it does not hang; the loop's own callers are not refused."""
    slow = Slow(actors)

    def ask() -> object:
        try:
            return actor.ask(actors.note("inner"))
        except WrongLoop as error:
            raise ValueError from error

    replies: list[asyncio.Future[Any]] = [actor.ask(actors.do(slow)), actor.ask(actors.do(ask))]
    await slow.begun.wait()
    replies.append(actor.ask(actors.do(lambda: 1)))
    slow.finish()
    await asyncio.wait(replies)

    error = replies[1].exception()
    assert error is not None
    assert isinstance(error.__cause__, WrongLoop)
    assert replies[2].result() == 1
