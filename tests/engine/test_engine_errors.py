"""The engine's errors: one root, and a library built on it raises its own instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
import soleowner
from soleowner import (
    Actor,
    ActorError,
    LoopRunner,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that must not suspend."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class Mine(Exception):
    """The error that a library built on the engine raises instead."""


def mine(error: ActorError) -> Exception:
    return Mine(error)


async def test_every_error_of_the_engine_is_translated(actors: ActorFactory) -> None:
    """Guarantees 4.3: the facade maps the engine's errors, wherever they come from."""
    met: list[type[object]] = []

    def meets(use: Callable[[], object]) -> None:
        with pytest.raises(Mine) as caught:
            use()
        met.append(type(caught.value.args[0]))

    def misuse() -> None:
        meets(lambda: actor.ask(actors.note(1)))
        meets(lambda: finish(actor.aclose()))

    actor = actors.actor(translate=mine, capacity=1)
    await actor.open()
    held = await actors.hold(actor)
    actor.ask(actors.note(1))
    meets(lambda: actor.ask_nowait(actors.note(1)))
    assert met == [MailboxFull]
    actors.release()
    await held
    await actor.ask(actors.do(misuse))
    assert met[1:] == [Reentrant, Reentrant]
    await asyncio.to_thread(misuse)
    assert met[3:] == [WrongLoop, WrongLoop]
    await actor.aclose()
    meets(lambda: actor.ask(actors.note(1)))
    meets(lambda: actor.ask_nowait(actors.note(1)))
    assert met[5:] == [MailboxClosed, MailboxClosed]


async def test_waiting_callers_get_the_translated_crash(actors: ActorFactory) -> None:
    """Guarantees 4.3 and 13.2: in hand, in the mailbox, in line, and later."""
    for error, expected in ((KeyError("bug"), OwnerCrashed), (None, MailboxClosed)):
        actor = actors.actor(translate=mine, capacity=1)
        await actor.open()
        await actors.hold(actor)
        replies = [actor.ask(actors.fail(error or ValueError())) for _ in range(3)]
        if error is None:
            await actor.aclose(timeout=0)
        actors.release()
        await asyncio.wait(replies)

        for reply in replies:
            caught = reply.exception()
            assert isinstance(caught, Mine)
            assert isinstance(caught.args[0], expected)
        with pytest.raises(Mine):
            actor.ask(actors.note(1))


async def test_a_forgotten_actors_error_is_translated(actors: ActorFactory) -> None:
    """Guarantees 4.3 and 14.1, as a forked child would meet it."""
    actor = Actor(LoopRunner(actors.state), translate=mine)
    await actor.open()
    owner = actors.owner()
    actor.forget()

    for use in (lambda: actor.ask(actors.note(1)), lambda: finish(actor.aclose())):
        with pytest.raises(Mine) as caught:
            use()
        assert isinstance(caught.value.args[0], WrongLoop)
    owner.cancel()
    await asyncio.wait({owner})


def test_the_engines_errors_have_one_root() -> None:
    """Guarantees 4.3: `soleowner` has its own root; values travel as attributes."""
    public = [getattr(soleowner, name) for name in soleowner.__all__]
    errors = [each for each in public if isinstance(each, type) and issubclass(each, Exception)]

    assert all(issubclass(error, ActorError) for error in errors)
    assert MailboxFull(7).capacity == 7
