"""What keeps an owner alive, what it holds, and what is left after it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import Actor, Batch, LoopRunner, MailboxClosed, OwnerCrashed, Reentrant

from tests.support.eager_tasks import start_eagerly

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engine.conftest import ActorFactory, State

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="nobody's")


class Waiting(LoopRunner[Any]):
    """Waits, in the middle of a batch, for news that only it refers to."""

    def __init__(self, state: State, begun: asyncio.Event) -> None:
        super().__init__(state)
        self._begun = begun

    async def run(self, batch: Batch[Any], /) -> None:
        self._begun.set()
        self.news = asyncio.get_running_loop().create_future()
        await self.news
        await super().run(batch)


async def test_an_idle_owner_survives_although_nobody_refers_to_it(actors: ActorFactory) -> None:
    """Hazard 14 (cpython#117379): the loop holds tasks weakly, the engine does not."""

    async def open_and_drop() -> weakref.ref[Actor[State]]:
        actor = Actor(LoopRunner(actors.state))
        await actor.open()
        await actor.ask(actors.note("before"))
        return weakref.ref(actor)

    dropped = await open_and_drop()
    gc.collect()

    actor = dropped()
    assert actor is not None
    assert await actor.ask(actors.note("after")) == 2
    await actor.aclose()


async def test_a_caller_is_served_although_nobody_refers_to_the_actor(actors: ActorFactory) -> None:
    """Hazard 14: a cycle of owner and mailbox, garbage while somebody waits."""

    async def ask_and_drop() -> tuple[weakref.ref[Waiting], asyncio.Future[int]]:
        begun = asyncio.Event()
        runner = Waiting(actors.state, begun)
        actor = Actor(runner)
        await actor.open()
        reply = actor.ask(actors.note("waited for"))
        await begun.wait()
        return weakref.ref(runner), reply

    dropped, reply = await ask_and_drop()
    gc.collect()

    runner = dropped()
    assert runner is not None
    runner.news.set_result(None)
    assert await reply == 1
    owner = actors.owner()
    owner.cancel()
    await asyncio.wait({owner})


@pytest.mark.parametrize("crash", [False, True])
async def test_an_actor_closed_and_dropped_leaves_nothing_behind(
    actors: ActorFactory, crash: bool
) -> None:
    """The references that keep it alive, and those for a fork, are released."""

    async def use() -> weakref.ref[Actor[State]]:
        async with Actor(LoopRunner(actors.state)) as actor:
            with pytest.raises(OwnerCrashed) if crash else contextlib.nullcontext():
                await actor.ask(actors.fail(KeyError("bug")) if crash else actors.do(lambda: 1))
        return weakref.ref(actor)

    dropped = await use()
    await asyncio.sleep(0)  # its done callbacks have their turn
    gc.collect()

    assert dropped() is None


async def test_an_idle_owner_keeps_no_command_alive(actors: ActorFactory) -> None:
    """A batch may weigh as much as the mailbox allows; when it is answered, it is gone."""
    actor = await actors.open()
    command = actors.note("large")
    alive = weakref.ref(command)
    await actor.ask(command)
    del command
    gc.collect()

    assert alive() is None
    assert actor.statistics().depth == 0


async def test_the_owner_has_a_name(actors: ActorFactory) -> None:
    """Hazard 14: named tasks, so that one can be told from another."""
    async with Actor(LoopRunner(actors.state), name="sessions") as actor:
        assert "sessions" in {task.get_name() for task in asyncio.all_tasks()}
        assert repr(actor) == "<Actor sessions open mailbox=0/1024>"


async def test_a_command_sees_no_context_of_its_caller_or_opener(actors: ActorFactory) -> None:
    """Hazard 15 (LightRAG#3382): the owner's context is empty."""
    request.set("the opener's")
    actor = await actors.open()
    request.set("the caller's")

    assert await actor.ask(actors.do(request.get)) == "nobody's"
    assert request.get() == "the caller's"


async def test_a_caller_sees_no_context_of_a_command(actors: ActorFactory) -> None:
    """Hazard 15, the other way round."""
    actor = await actors.open()

    await actor.ask(actors.do(lambda: request.set("the command's")))

    assert request.get() == "nobody's"


@pytest.fixture
async def eager() -> AsyncIterator[None]:
    """Hazard 20: tasks that run their first step at once."""
    if sys.version_info < (3, 12):
        pytest.skip("eager tasks came with Python 3.12")

    loop = asyncio.get_running_loop()
    loop.set_task_factory(start_eagerly)
    yield
    loop.set_task_factory(None)


@pytest.mark.usefixtures("eager")
async def test_eager_callers_are_served_in_order(actors: ActorFactory) -> None:
    """Hazard 20 (cpython#155338): a command is queued before its caller's task even exists."""
    actor = await actors.open(capacity=2)

    async def caller(n: int) -> int:
        return await actor.ask(actors.note(n))

    callers = [asyncio.create_task(caller(n)) for n in range(10)]
    assert (actor.statistics().depth, actor.statistics().waiting) == (2, 8)

    assert await asyncio.gather(*callers) == [*range(1, 11)]
    await actor.aclose()
    assert actors.runner.events == ["open", "closing", "closed"]


@pytest.mark.usefixtures("eager")
async def test_an_eager_owner_has_an_empty_context(actors: ActorFactory) -> None:
    """Hazards 15 and 20: its first step runs inside `open`."""
    request.set("the opener's")
    actor = await actors.open()

    assert await actor.ask(actors.do(request.get)) == "nobody's"


@pytest.mark.usefixtures("eager")
async def test_an_eager_owner_can_be_cancelled_at_once(actors: ActorFactory) -> None:
    """Hazards 18 and 20: opening does not depend on "not begun yet"."""
    actor = await actors.open(capacity=1)
    replies = [actor.ask(actors.note(n)) for n in range(3)]
    actors.owner().cancel()
    await asyncio.wait(replies)

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 3
    await actor.aclose()
    assert actors.runner.events == ["open", "closing", "closed"]


@pytest.mark.usefixtures("eager")
async def test_an_eager_owner_that_crashes_answers_everyone(actors: ActorFactory) -> None:
    """Hazards 4 and 20."""
    actor = await actors.open(capacity=1)
    commands = [actors.fail(KeyError("bug")), actors.do(lambda: 1), actors.do(lambda: 1)]

    async def caller(n: int) -> object:
        return await actor.ask(commands[n])

    got = await asyncio.gather(*map(caller, range(3)), return_exceptions=True)

    assert [type(each) for each in got] == [OwnerCrashed] * 3


@pytest.mark.usefixtures("eager")
async def test_an_eager_task_started_by_a_command_is_still_the_command(
    actors: ActorFactory,
) -> None:
    """Hazards 19 and 20: its first step would make the owner wait for itself."""
    actor = await actors.open()
    tasks: list[asyncio.Task[int]] = []

    async def inner() -> int:
        return await actor.ask(actors.note("inner"))

    await actor.ask(actors.do(lambda: tasks.append(asyncio.create_task(inner()))))

    with pytest.raises(Reentrant):
        await tasks[0]
    assert await actor.ask(actors.note("after")) == 1
