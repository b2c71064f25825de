"""Wrong use raises a named error at the call, and affects no other caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    ActorError,
    CallerError,
    LoopRunner,
    MailboxClosed,
    OwnerCrashed,
    Reentrant,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that must not suspend."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def test_an_actor_that_is_not_open_says_how_to_open_it(actors: ActorFactory) -> None:
    """Wrong use is a `RuntimeError` at the call."""
    actor = actors.actor()

    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(RuntimeError, match="async with"):
            ask(actors.note(1))


@pytest.mark.parametrize("thing", [None, "text", 3, lambda _: 1, object()])
async def test_a_non_command_is_a_type_error_at_the_call(actors: ActorFactory, thing: Any) -> None:
    """Guarantees 4.3: wrong types are `TypeError` at the call, and the owner lives on."""
    actor = await actors.open(capacity=1)

    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(TypeError, match=f"not a Command: {type(thing).__name__}"):
            ask(thing)
    replies = [actor.ask(actors.note(n)) for n in range(2)]
    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(TypeError, match="not a Command"):
            ask(thing)

    assert await asyncio.gather(*replies) == [1, 2]
    assert actor.statistics().commands == 2


@pytest.mark.parametrize("method", ["ask", "ask_nowait", "aclose"])
async def test_a_command_that_uses_its_own_actor_raises(actors: ActorFactory, method: str) -> None:
    """Hazard 19 and Guarantees 2.5: it raises `Reentrant`, it does not hang; the owner lives on."""
    actor = await actors.open()

    def use() -> object:
        try:
            if method == "aclose":
                finish(actor.aclose())
            else:
                getattr(actor, method)(actors.note("inner"))
        except Reentrant as error:
            raise CallerError(error) from None
        return None

    with pytest.raises(Reentrant, match="cannot ask the owner"):
        await actor.ask(actors.do(use))

    assert await actor.ask(actors.note("after")) == 1


async def test_a_command_that_lets_the_error_through_is_a_crash(actors: ActorFactory) -> None:
    """Hazard 19: a bug as any other; the cause is there to read."""
    actor = await actors.open()

    with pytest.raises(OwnerCrashed) as caught:
        await actor.ask(actors.do(lambda: actor.ask(actors.note("inner"))))

    assert isinstance(caught.value.__cause__, Reentrant)


async def test_a_command_may_use_another_actor(actors: ActorFactory) -> None:
    """Only its own would wait for itself."""
    actor = await actors.open()
    async with Actor(LoopRunner(actors.state)) as other:
        replies: list[asyncio.Future[int]] = []
        await actor.ask(actors.do(lambda: replies.append(other.ask(actors.note("other")))))

        assert await replies[0] == 1


async def test_asking_from_another_thread_raises(actors: ActorFactory) -> None:
    """Hazard 10: with or without a loop of its own; the error names the thread-safe facade."""
    actor = await actors.open()
    caught: list[WrongLoop] = []

    async def ask() -> None:
        for method in (actor.ask, actor.ask_nowait):
            with pytest.raises(WrongLoop, match="thread-safe") as error:
                method(actors.note("foreign"))
            caught.append(error.value)
        with pytest.raises(WrongLoop, match="thread-safe"):
            await actor.aclose()

    def without_loop() -> None:
        with pytest.raises(WrongLoop, match="thread-safe") as error:
            actor.ask(actors.note("foreign"))
        caught.append(error.value)

    for target in (lambda: asyncio.run(ask()), without_loop):
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        thread.join()

    assert len(caught) == 3
    assert await actor.ask(actors.note("own")) == 1


async def test_asking_from_another_thread_during_a_command_is_no_reentrance(
    actors: ActorFactory,
) -> None:
    """Hazard 10: the message fits the mistake."""
    actor = await actors.open()
    caught: list[ActorError] = []

    def elsewhere() -> None:
        try:
            actor.ask(actors.note("foreign"))
        except ActorError as error:
            caught.append(error)

    def in_a_thread() -> object:
        thread = threading.Thread(target=elsewhere, daemon=True)
        thread.start()
        thread.join()
        return None

    await actor.ask(actors.do(in_a_thread))

    assert [type(error) for error in caught] == [WrongLoop]


def test_asking_from_another_loop_of_the_same_thread_raises(
    actors_class: Callable[[], ActorFactory], loop_factory: LoopFactory
) -> None:
    """Hazard 10 (pytest-asyncio#38, #207): bound at opening; on its own loop it works again."""
    actors = actors_class()

    async def ask(value: object) -> int:
        return await actor.ask(actors.note(value))

    async def ask_nowait(value: object) -> int:
        return await actor.ask_nowait(actors.note(value))

    with (
        asyncio.Runner(loop_factory=loop_factory) as own,
        asyncio.Runner(loop_factory=loop_factory) as other,
    ):
        actor = own.run(actors.open())
        assert own.run(ask("own")) == 1
        for misuse in (ask("foreign"), ask_nowait("foreign"), actor.aclose()):
            with pytest.raises(WrongLoop, match="thread-safe"):
                other.run(misuse)
        for method in (actor.ask, actor.ask_nowait):
            with pytest.raises(WrongLoop, match="thread-safe"):
                method(actors.note("no loop runs"))
        assert own.run(ask_nowait("own")) == 2
        own.run(actors.aclose())


def test_asking_after_the_loop_has_ended_raises(
    actors_class: Callable[[], ActorFactory], loop_factory: LoopFactory
) -> None:
    """Guarantees 13.2: every later call is refused at once."""
    actors = actors_class()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        actor = runner.run(actors.open())

    with pytest.raises(MailboxClosed):
        actor.ask(actors.note(1))
