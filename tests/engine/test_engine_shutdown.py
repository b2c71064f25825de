"""The loop ends, or somebody cancels the owner: everyone is answered all the same.

Hazard 18 (arq#46): `asyncio.run` cancels the owner first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from soleowner import MailboxClosed

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


async def test_an_owner_cancelled_by_others_answers_everyone(actors: ActorFactory) -> None:
    """Hazard 18 (arq#46): in hand, in the mailbox, in line; certainly not applied."""
    actor = await actors.open(capacity=2)
    held = await actors.hold(actor)
    replies = [held, *(actor.ask(actors.note(n)) for n in range(5))]

    actors.owner().cancel()
    await asyncio.wait(replies)

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 6
    assert actors.state == []
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note("too late"))


async def test_an_owner_cancelled_before_its_first_step_answers_everyone(
    actors: ActorFactory,
) -> None:
    """Hazards 18 and 20: opening does not depend on "begun already"."""
    actor = await actors.open(capacity=1)
    replies = [actor.ask(actors.note(n)) for n in range(3)]
    actors.owner().cancel()
    await asyncio.wait(replies)

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 3
    await actor.aclose()
    assert actors.runner.events == ["open", "closing", "closed"]


def test_the_end_of_the_loop_answers_everyone_who_is_queued(
    actors_class: Callable[[], ActorFactory], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Hazard 18 (arq#46): `asyncio.run` cancels the owner first; nobody waits for ever."""
    actors = actors_class()
    replies: list[asyncio.Future[int]] = []

    async def main() -> None:
        actor = await actors.open(capacity=2)
        replies.append(await actors.hold(actor))
        replies.extend(actor.ask(actors.note(n)) for n in range(5))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 6
    assert actors.state == []
    assert actors.runner.events == ["open", "closing", "closed"]


def test_the_end_of_the_loop_answers_a_caller_that_asks_while_cancelled(
    actors_class: Callable[[], ActorFactory], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Hazard 18: a caller that says goodbye in its `finally`, before the owner is gone or after."""
    actors = actors_class()
    refused: list[int] = []

    async def main() -> None:
        actor = await actors.open(capacity=1)

        async def polite(n: int) -> None:
            try:
                await actor.ask(actors.note(n))
            finally:
                with contextlib.suppress(MailboxClosed):
                    await actor.ask(actors.note("goodbye"))
                refused.append(n)

        await actors.hold(actor)
        tasks.extend(asyncio.create_task(polite(n)) for n in range(5))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())

    assert sorted(refused) == [*range(5)]
    assert actors.state == []


def test_an_exit_right_after_opening_answers_everyone(
    actors_class: Callable[[], ActorFactory], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Hazard 18: the loop stops before the owner's first step, then it is cancelled."""
    actors = actors_class()
    replies: list[asyncio.Future[int]] = []

    async def main() -> None:
        actor = await actors.open(capacity=1)
        replies.extend(actor.ask(actors.note(n)) for n in range(3))
        raise SystemExit

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 3
    assert actors.runner.events == ["open", "closing", "closed"]
