"""An actor is opened once; what was closed, or could not open, stays closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from soleowner import ActorState, MailboxClosed

if TYPE_CHECKING:
    from tests.engine.conftest import Bench


async def test_an_actor_closed_before_opening_cannot_be_opened(bench: Bench) -> None:
    """An actor is opened once, and a closed one is not opened."""
    actor = bench.actor()
    await actor.aclose()

    assert actor.statistics().state is ActorState.CLOSED
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note(1))
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()
    assert bench.runner.events == []


async def test_closing_while_opening_leaves_nothing_open(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opening is refused when it is done, and the runner lets go."""
    ready = asyncio.Event()

    async def open_slowly() -> None:
        await ready.wait()
        bench.runner.events.append("open")

    monkeypatch.setattr(bench.runner, "open", open_slowly)
    actor = bench.actor()
    opening = asyncio.create_task(actor.open())
    await asyncio.sleep(0)
    assert actor.statistics().state == "opening"

    await actor.aclose()
    ready.set()

    with pytest.raises(MailboxClosed):
        await opening
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note(1))
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_an_actor_is_opened_once(bench: Bench) -> None:
    """Open, closed, or crashed; the first opening is not disturbed."""
    actor = await bench.open()
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()
    assert await actor.ask(bench.note(1)) == 1

    await actor.aclose()
    with pytest.raises(RuntimeError, match="opened once"):
        await actor.open()


async def test_the_second_of_two_concurrent_opens_is_refused(bench: Bench) -> None:
    """There is one owner."""
    actor = bench.actor()

    first, second = await asyncio.gather(actor.open(), actor.open(), return_exceptions=True)

    assert first is None
    assert isinstance(second, RuntimeError)
    assert bench.runner.events == ["open"]


@pytest.mark.parametrize("error", [OSError("no disk"), asyncio.CancelledError()])
async def test_a_runner_that_cannot_open_leaves_a_closed_actor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Its error is raised by `open`; what never opened is not closed."""

    async def refuse() -> None:
        raise error

    monkeypatch.setattr(bench.runner, "open", refuse)
    actor = bench.actor()

    with pytest.raises(type(error)):
        await actor.open()

    assert actor.statistics().state == "closed"
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note(1))
    await actor.aclose()
    assert bench.runner.events == []
