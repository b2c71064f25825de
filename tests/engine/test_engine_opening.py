"""An actor is opened once; after closing, or a failed opening, it stays closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from soleowner import ActorState, MailboxClosed

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


async def test_an_actor_closed_before_opening_cannot_be_opened(actors: ActorFactory) -> None:
    """An actor is opened once, and a closed one is not opened."""
    actor = actors.actor()
    await actor.aclose()

    assert actor.statistics().state is ActorState.CLOSED
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note(1))
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()
    assert actors.runner.events == []


async def test_closing_while_opening_leaves_nothing_open(
    actors: ActorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opening is refused when it is done, and the runner lets go."""
    ready = asyncio.Event()

    async def open_slowly() -> None:
        await ready.wait()
        actors.runner.events.append("open")

    monkeypatch.setattr(actors.runner, "open", open_slowly)
    actor = actors.actor()
    opening = asyncio.create_task(actor.open())
    await asyncio.sleep(0)
    assert actor.statistics().state == "opening"

    await actor.aclose()
    ready.set()

    with pytest.raises(MailboxClosed):
        await opening
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note(1))
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_an_actor_is_opened_once(actors: ActorFactory) -> None:
    """Open, closed, or crashed; the first opening is not disturbed."""
    actor = await actors.open()
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()
    assert await actor.ask(actors.note(1)) == 1

    await actor.aclose()
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()


async def test_the_second_of_two_concurrent_opens_is_refused(actors: ActorFactory) -> None:
    """There is one owner."""
    actor = actors.actor()

    first, second = await asyncio.gather(actor.open(), actor.open(), return_exceptions=True)

    assert first is None
    assert isinstance(second, RuntimeError)
    assert actors.runner.events == ["open"]


@pytest.mark.parametrize("error", [OSError("no disk"), asyncio.CancelledError()])
async def test_a_runner_that_cannot_open_leaves_a_closed_actor(
    actors: ActorFactory, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Its error is raised by `open`; what never opened is not closed."""

    async def refuse() -> None:
        raise error

    monkeypatch.setattr(actors.runner, "open", refuse)
    actor = actors.actor()

    with pytest.raises(type(error)):
        await actor.open()

    assert actor.statistics().state == "closed"
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note(1))
    await actor.aclose()
    assert actors.runner.events == []
