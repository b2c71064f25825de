"""Wrong use is told at the call, by name, and harms nobody else."""

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
    from tests.engine.conftest import Bench

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that must not suspend."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def test_an_actor_that_is_not_open_says_how_to_open_it(bench: Bench) -> None:
    """Wrong use is a `RuntimeError` at the call."""
    actor = bench.actor()

    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(RuntimeError, match="async with"):
            ask(bench.note(1))


@pytest.mark.parametrize("thing", [None, "text", 3, lambda _: 1, object()])
async def test_a_non_command_is_a_type_error_at_the_call(bench: Bench, thing: Any) -> None:
    """Guarantees 4.3: wrong types are `TypeError` at the call, and the owner lives on."""
    actor = await bench.open(capacity=1)

    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(TypeError, match=f"not a Command: {type(thing).__name__}"):
            ask(thing)
    replies = [actor.ask(bench.note(n)) for n in range(2)]
    for ask in (actor.ask, actor.ask_nowait):
        with pytest.raises(TypeError, match="not a Command"):
            ask(thing)

    assert await asyncio.gather(*replies) == [1, 2]
    assert actor.statistics().commands == 2


@pytest.mark.parametrize("method", ["ask", "ask_nowait", "aclose"])
async def test_a_command_that_uses_its_own_actor_raises(bench: Bench, method: str) -> None:
    """Hazard 19 and Guarantees 2.5: it raises `Reentrant`, it does not hang; the owner lives on."""
    actor = await bench.open()

    def use() -> object:
        try:
            if method == "aclose":
                finish(actor.aclose())
            else:
                getattr(actor, method)(bench.note("inner"))
        except Reentrant as error:
            raise CallerError(error) from None
        return None

    with pytest.raises(Reentrant, match="cannot ask the owner"):
        await actor.ask(bench.do(use))

    assert await actor.ask(bench.note("after")) == 1


async def test_a_command_that_lets_the_error_through_is_a_crash(bench: Bench) -> None:
    """Hazard 19: a bug as any other; the cause is there to read."""
    actor = await bench.open()

    with pytest.raises(OwnerCrashed) as caught:
        await actor.ask(bench.do(lambda: actor.ask(bench.note("inner"))))

    assert isinstance(caught.value.__cause__, Reentrant)


async def test_a_command_may_use_another_actor(bench: Bench) -> None:
    """Only its own would wait for itself."""
    actor = await bench.open()
    async with Actor(LoopRunner(bench.state)) as other:
        replies: list[asyncio.Future[int]] = []
        await actor.ask(bench.do(lambda: replies.append(other.ask(bench.note("other")))))

        assert await replies[0] == 1


async def test_asking_from_another_thread_raises(bench: Bench) -> None:
    """Hazard 10: with or without a loop of its own; the error names the thread-safe facade."""
    actor = await bench.open()
    caught: list[WrongLoop] = []

    async def ask() -> None:
        for method in (actor.ask, actor.ask_nowait):
            with pytest.raises(WrongLoop, match="thread-safe") as error:
                method(bench.note("foreign"))
            caught.append(error.value)
        with pytest.raises(WrongLoop, match="thread-safe"):
            await actor.aclose()

    def without_loop() -> None:
        with pytest.raises(WrongLoop, match="thread-safe") as error:
            actor.ask(bench.note("foreign"))
        caught.append(error.value)

    for target in (lambda: asyncio.run(ask()), without_loop):
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        thread.join()

    assert len(caught) == 3
    assert await actor.ask(bench.note("own")) == 1


async def test_asking_from_another_thread_during_a_command_is_no_reentrance(bench: Bench) -> None:
    """Hazard 10: the message fits the mistake."""
    actor = await bench.open()
    caught: list[ActorError] = []

    def elsewhere() -> None:
        try:
            actor.ask(bench.note("foreign"))
        except ActorError as error:
            caught.append(error)

    def in_a_thread() -> object:
        thread = threading.Thread(target=elsewhere, daemon=True)
        thread.start()
        thread.join()
        return None

    await actor.ask(bench.do(in_a_thread))

    assert [type(error) for error in caught] == [WrongLoop]


def test_asking_from_another_loop_of_the_same_thread_raises(
    bench_class: Callable[[], Bench], loop_factory: LoopFactory
) -> None:
    """Hazard 10 (pytest-asyncio#38, #207): bound at opening; on its own loop it works again."""
    bench = bench_class()

    async def ask(value: object) -> int:
        return await actor.ask(bench.note(value))

    async def ask_nowait(value: object) -> int:
        return await actor.ask_nowait(bench.note(value))

    with (
        asyncio.Runner(loop_factory=loop_factory) as own,
        asyncio.Runner(loop_factory=loop_factory) as other,
    ):
        actor = own.run(bench.open())
        assert own.run(ask("own")) == 1
        for misuse in (ask("foreign"), ask_nowait("foreign"), actor.aclose()):
            with pytest.raises(WrongLoop, match="thread-safe"):
                other.run(misuse)
        for method in (actor.ask, actor.ask_nowait):
            with pytest.raises(WrongLoop, match="thread-safe"):
                method(bench.note("no loop runs"))
        assert own.run(ask_nowait("own")) == 2
        own.run(bench.aclose())


def test_asking_after_the_loop_has_ended_raises(
    bench_class: Callable[[], Bench], loop_factory: LoopFactory
) -> None:
    """Guarantees 13.2: every later call is refused at once."""
    bench = bench_class()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        actor = runner.run(bench.open())

    with pytest.raises(MailboxClosed):
        actor.ask(bench.note(1))
