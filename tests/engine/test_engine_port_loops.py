"""A port and the loop behind it: a thread never waits for one that cannot answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    LoopRunner,
    LoopStopped,
    MailboxClosed,
    Reentrant,
    WouldBlock,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("close", [False, True], ids=["stopped", "closed"])
@pytest.mark.parametrize("where", ["queued", "taken", "not crossed"])
def test_a_loop_that_stops_ends_all_waiting(
    actors_class: Callable[[], ActorFactory],
    thread_group: ThreadGroup,
    loop_factory: LoopFactory,
    where: str,
    close: bool,
) -> None:
    """Hazard 12: within about a second, and it says what may have been applied."""
    loop, actors = loop_factory(), actors_class()

    class Stuck(LoopRunner[list[object]]):
        async def run(self, batch: Any, /) -> None:
            await asyncio.Event().wait()

    async def begin() -> Actor[list[object]]:
        actor: Actor[list[object]] = Actor(Stuck([]))
        await actor.open()
        return actor

    actor = loop.run_until_complete(begin())
    port = actor.port()
    first = thread_group.begin(lambda: port.ask(actors.note("taken")))
    asked = [first]

    async def taken() -> None:
        while not actor._current:
            await asyncio.sleep(0)
        if where == "queued":
            asked.append(thread_group.begin(lambda: port.ask(actors.note("queued"))))
            await waiting(actor)

    if where != "not crossed":
        loop.run_until_complete(taken())
    task = actor._task
    if close:
        loop.close()
    errors = [each.exception(timeout=300) for each in asked]
    expected = MailboxClosed if where == "not crossed" else LoopStopped
    assert type(errors[0]) is expected
    assert [type(each) for each in errors[1:]] == [MailboxClosed] * (len(errors) - 1)
    if close:
        later = thread_group.begin(lambda: port.ask(actors.note("later")))
        assert type(later.exception(timeout=300)) is MailboxClosed
        task._log_destroy_pending = False  # type: ignore[union-attr]  # left on purpose
        return
    assert task is not None
    task.cancel()
    loop.run_until_complete(asyncio.wait({task}))
    loop.close()


def test_the_end_of_asyncio_run_ends_all_waiting(
    actors_class: Callable[[], ActorFactory], thread_group: ThreadGroup, loop_factory: LoopFactory
) -> None:
    """Hazard 18: threads that never stop asking are all told, and none hangs."""
    asked: list[Any] = []
    actors = actors_class()
    state = actors.state

    async def main() -> None:
        actor = Actor(LoopRunner(state))
        await actor.open()
        port = actor.port()

        def work() -> None:
            while True:
                port.ask(actors.note(1))

        asked.extend(thread_group.begin(work) for _ in range(16))
        while len(state) < 200:
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert {type(each.exception(timeout=300)) for each in asked} == {MailboxClosed}


async def test_a_call_on_the_loops_own_thread_raises(actors: ActorFactory) -> None:
    """It would wait for itself: a `RuntimeError` that says what to do."""
    port = (await actors.open()).port()
    with pytest.raises(WouldBlock, match="await the actor itself") as caught:
        port.ask(actors.note(1))
    assert isinstance(caught.value, WrongLoop)
    assert isinstance(caught.value, RuntimeError)


async def test_waiting_inside_a_command_raises(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 19: `Reentrant`, and the owner lives on."""
    port = (await actors.open()).port()

    def inner() -> object:
        with pytest.raises(Reentrant):
            port.ask(actors.note("inner"))
        return "raised"

    assert await thread_group.do(lambda: port.ask(actors.do(inner))) == ["raised"]
    assert actors.state == []


async def test_a_command_on_another_thread_cannot_ask_its_owner(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 19: a command applied on another thread cannot ask its owner through a port."""

    class Elsewhere(LoopRunner[Any]):
        inside_of: int | None = None

        def inside(self) -> bool:
            return threading.get_ident() == self.inside_of

        async def run(self, batch: Any, /) -> None:
            await asyncio.to_thread(self._begin, batch)

        def _begin(self, batch: Any) -> None:
            self.inside_of = threading.get_ident()
            with pytest.raises(Reentrant):
                port.ask(actors.note("inner"))
            self.inside_of = None
            loop.call_soon_threadsafe(self._apply, batch)

    loop = asyncio.get_running_loop()
    async with Actor(Elsewhere(actors.state)) as actor:
        port = actor.port()
        assert await thread_group.do(lambda: port.ask(actors.note("outer"))) == [1]
