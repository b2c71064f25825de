"""Waiting until all commands have ended, whether their callers still wait or not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    ActorPair,
    Batch,
    Command,
    LoopRunner,
    MailboxClosed,
    Reentrant,
    Runner,
    succeed,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


@dataclass(frozen=True, slots=True)
class Look(Command[list[object], int]):
    """Answer how many values there are."""

    def apply(self, state: list[object], /) -> int:
        return len(state)


def reads(command: Command[Any, Any]) -> bool:
    return isinstance(command, Look)


async def some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_settle_waits_for_all_commands_before_it(actors: ActorFactory) -> None:
    """It waits for commands that are queued, in line or being applied, not for later ones."""
    actor = await actors.open(capacity=2)
    held = await actors.hold(actor)
    replies = [actor.ask(actors.note(n)) for n in range(5)]
    settling = asyncio.create_task(actor.settle())
    await some_turns()
    later = actor.ask(actors.note("later"))
    assert not settling.done()
    actors.release()
    await settling
    assert all(reply.done() for reply in [held, *replies])
    assert actors.state[:6] == ["held", *range(5)]
    await later
    await actor.settle()
    assert not actor._fences
    assert actor.statistics().commands == 7


class Leaving(Runner[list[object]]):
    """Leaves each batch, and answers it when it is told to finish."""

    def __init__(self) -> None:
        self.left: list[Any] = []

    async def run(self, batch: Batch[list[object]], /) -> None:
        self.left += batch

    async def finish(self) -> None:
        await asyncio.sleep(0)
        while self.left:
            _, reply = self.left.pop()
            succeed(reply, "late")


async def test_settle_waits_for_what_the_runner_left() -> None:
    """Also if the fence comes in a batch of its own."""
    runner = Leaving()
    async with Actor(runner) as actor:
        early = actor.ask(Look())
        await some_turns()
        assert not early.done()
        await actor.settle()
        assert early.done()
        late = actor.ask(Look())
        await actor.settle()
        assert late.done()


async def test_a_waiter_that_left_the_line_stops_no_later_batch() -> None:
    """The runner finishes only for somebody who waits until it has."""
    runner = Leaving()
    async with Actor(runner, capacity=1) as actor:
        replies = [actor.ask(Look()) for _ in range(3)]
        settling = asyncio.create_task(actor.settle())
        await asyncio.sleep(0)
        settling.cancel()
        await some_turns()
        replies += [actor.ask(Look()) for _ in range(3)]
        await some_turns()
        assert len(runner.left) == len(replies)
    assert all(reply.done() for reply in replies)


async def test_settle_waits_for_commands_of_cancelled_callers(actors: ActorFactory) -> None:
    """The owner had taken the command: it is applied whole, and settled means that too."""
    actor = await actors.open()
    actors.runner.gate.clear()
    reply = actor.ask(actors.note(1))
    await actors.runner.at_gate.wait()
    settling = asyncio.create_task(actor.settle())
    await some_turns()
    reply.cancel()
    await some_turns()
    assert not settling.done()
    actors.release()
    await settling


async def test_an_idle_or_ended_owner_has_settled_everything(actors: ActorFactory) -> None:
    """At once; while it closes, when it has."""
    actor = await actors.open()
    await actor.settle()
    await actors.hold(actor)
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    settling = asyncio.create_task(actor.settle())
    await some_turns()
    assert not settling.done()
    actors.release()
    await settling
    await closing
    await actor.settle()
    never = actors.actor()
    with pytest.raises(RuntimeError, match="not open"):
        await never.settle()


async def test_a_crash_or_a_deadline_settles_everything(actors: ActorFactory) -> None:
    """Everybody was answered, so there is nothing to wait for, and nothing to raise."""
    actor = await actors.open()
    await actors.hold(actor)
    settling = asyncio.create_task(actor.settle())
    await some_turns()
    await actor.aclose(timeout=0)
    await settling
    crashing = actors.actor(LoopRunner[list[object]]([]))
    await crashing.open()
    reply = crashing.ask(actors.fail(ZeroDivisionError()))
    await crashing.settle()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        await reply
    actors.surfaced.clear()


async def test_a_cancelled_waiter_leaves_nothing_behind(actors: ActorFactory) -> None:
    """The fences that are not awaited any more are dropped from a line that does not move."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    for _ in range(100):
        settling = asyncio.create_task(actor.settle())
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    assert len(actor._fences) == 1
    assert actor.statistics().waiting < 10
    actors.release()
    await actor.settle()
    assert await actor.ask(actors.note(1)) == 2


async def test_a_pair_has_settled_when_both_have(actors: ActorFactory) -> None:
    """An answered read is no proof that earlier writes have ended."""
    pair = ActorPair(actors.runner, LoopRunner(actors.state), reads=reads)
    async with pair:
        actors.runner.gate.clear()
        write = pair.ask(actors.note(1))
        assert await pair.ask(Look()) == 0
        settling = asyncio.create_task(pair.settle())
        await some_turns()
        assert not settling.done()
        actors.release()
        await settling
        assert write.done()
        assert await pair.ask(Look()) == 1
    await pair.settle()
    with pytest.raises(MailboxClosed):
        await pair.ask(Look())


async def test_a_command_cannot_wait_for_itself(actors: ActorFactory) -> None:
    """Inside a command it raises, as `ask` does."""
    actor = await actors.open()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            actor._raise_fences()
        except Reentrant as error:
            raised.append(error)

    await actor.ask(actors.do(ask))
    assert len(raised) == 1
