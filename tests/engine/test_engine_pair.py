"""Two owners that look like one: reads do not wait for writes, and both end together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    ActorPair,
    Command,
    LoopRunner,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


@dataclass(frozen=True, slots=True)
class Look(Command[list[object], int]):
    """Answer how many values there are."""

    broken: bool = False

    def apply(self, state: list[object], /) -> int:
        if self.broken:
            raise ZeroDivisionError
        return len(state)


def reads(command: Command[Any, Any]) -> bool:
    return isinstance(command, Look)


class Observed:
    """Notes how large batches were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        self.sizes.append(commands)


@pytest.fixture
async def pair(actors: ActorFactory) -> AsyncIterator[ActorPair[list[object]]]:
    """Open, its writer behind the gate of the bench."""
    pair = ActorPair(actors.runner, LoopRunner(actors.state), reads=reads, capacity=2)
    await pair.open()
    yield pair
    actors.release()
    async with asyncio.timeout(300):
        await pair.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("owner")]


async def test_a_read_overtakes_a_write_that_waits(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """It sees everything that was answered before."""
    await pair.ask(actors.note(1))
    held = await actors.hold(pair)
    assert await pair.ask(Look()) == await pair.ask_nowait(Look()) == 1
    assert await asyncio.to_thread(pair.port().ask, Look()) == 1
    assert not held.done()
    actors.release()
    assert await held == await pair.ask(Look()) == 2


@pytest.mark.parametrize("other", [-1, 1])
async def test_a_call_from_another_thread_is_refused(
    actors: ActorFactory,
    pair: ActorPair[list[object]],
    monkeypatch: pytest.MonkeyPatch,
    other: int,
) -> None:
    """Whether the number of that thread is lower or higher; a read, too."""
    monkeypatch.setattr("soleowner.actor.get_ident", lambda: threading.get_ident() + other)
    with pytest.raises(WrongLoop):
        pair.ask(Look())
    with pytest.raises(WrongLoop):
        pair.check_here()


async def test_statistics_add_both_owners(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """Batches, commands, places and refusals; an observer is called for both owners."""
    observed = Observed()
    pair.observe(observed)
    held = await actors.hold(pair)
    for command in (actors.note(0), Look()):
        replies = [pair.ask_nowait(command) for _ in range(2)]
        with pytest.raises(MailboxFull):
            pair.ask_nowait(command)
    now = pair.statistics()
    assert (now.state, now.depth, now.capacity, now.refused) == ("open", 4, 4, 2)
    actors.release()
    await asyncio.gather(held, *replies)
    assert sorted(observed.sizes) == [1, 2, 2]
    assert (pair.statistics().batches, pair.statistics().commands) == (3, 5)


async def test_a_crash_of_either_ends_both(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """The reader here; a writer under way is finished and answered."""
    held = await actors.hold(pair)
    with pytest.raises(OwnerCrashed):
        await pair.ask(Look(broken=True))
    for command in (Look(), actors.note(1)):
        with pytest.raises(OwnerCrashed):
            pair.ask(command)
    assert pair.statistics().state == "crashed"
    actors.release()
    assert await held == 1


async def test_a_writer_that_crashes_takes_the_reader_along(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """Earlier commands are answered, later ones are refused."""
    broken, look = pair.ask(actors.fail(ZeroDivisionError())), pair.ask(Look())
    with pytest.raises(OwnerCrashed):
        await broken
    assert await look == 0
    for command in (Look(), actors.note(1)):
        with pytest.raises(OwnerCrashed):
            pair.ask(command)


async def test_closing_closes_both_at_once(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """Nothing is taken from then on, everything queued is answered."""
    held = await actors.hold(pair)
    look = pair.ask(Look())
    closing = asyncio.ensure_future(pair.aclose())
    await asyncio.sleep(0)
    with pytest.raises(MailboxClosed):
        pair.ask(Look())
    assert await look == 0
    assert not closing.done()
    actors.release()
    await closing
    assert await held == 1


async def test_closing_at_its_deadline_abandons_the_writer(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """The remaining commands are answered as certainly not applied."""
    held = await actors.hold(pair)
    left = pair.ask(actors.note(1))
    await pair.aclose(timeout=0.01)
    for reply in (held, left):
        with pytest.raises(MailboxClosed):
            await reply
    assert actors.state == []


async def test_closing_at_its_deadline_abandons_the_reader(actors: ActorFactory) -> None:
    """The remaining commands are answered."""
    pair = ActorPair(LoopRunner(actors.state), actors.runner, reads=reads)
    await pair.open()
    actors.runner.gate.clear()
    look = pair.ask(Look())
    await actors.runner.at_gate.wait()
    async with asyncio.timeout(300):
        await pair.aclose(timeout=0.01)
    with pytest.raises(MailboxClosed):
        await look


async def test_during_a_write_no_command_can_be_asked(
    actors: ActorFactory, pair: ActorPair[list[object]]
) -> None:
    """Reads would be answered here, and not on a store with one owner."""
    with pytest.raises(OwnerCrashed) as crashed:
        await pair.ask(actors.do(lambda: pair.ask(Look())))
    assert isinstance(crashed.value.__cause__, Reentrant)


async def test_a_reader_that_cannot_open_leaves_nothing_open(actors: ActorFactory) -> None:
    """Its error is the opening's, and the writer's runner lets go."""

    class Broken(LoopRunner[list[object]]):
        async def open(self) -> None:
            raise FileNotFoundError

    pair = ActorPair(actors.runner, Broken(actors.state), reads=reads)
    with pytest.raises(FileNotFoundError):
        await pair.open()
    assert actors.runner.events == ["open", "closing", "closed"]
    with pytest.raises(MailboxClosed):
        pair.ask(Look())
    await pair.aclose()
