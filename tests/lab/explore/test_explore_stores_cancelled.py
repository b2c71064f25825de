"""A caller or the owner is cancelled: no caller hangs, and nothing is applied late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    OutcomeUnknown,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    StoreClosed,
)
from sessionkeeper.operations.tables import Tables
from sessionlab.explore import may_cancel, sweep_cancellations
from soleowner import Command

R = TypeVar("R")
Make = Callable[[], ActorSessionStore | OwnedSessionStore]


class SlowStore(PlainSessionStore):
    """A store that waits before and after each operation, as one over a network does."""

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        await asyncio.sleep(0)
        reply = await super()._run_command(command)
        await asyncio.sleep(0)
        return reply


DESIGNS: dict[str, Make] = {
    "actor": ActorSessionStore,
    "actor, one place": lambda: ActorSessionStore(capacity=1),
    "owned": lambda: OwnedSessionStore(SlowStore()),
}

with_an_owner = pytest.mark.parametrize("make", DESIGNS.values(), ids=DESIGNS)


async def filled(make: Make) -> AtomicSessionStore:
    """An open store with one session."""
    store = await make().open()
    await store.create_session(Session.new(transport_type="stdio", id="a"))
    return store


def note() -> MessageEnvelope:
    """A message."""
    message = b'{"jsonrpc":"2.0","method":"note"}'
    return MessageEnvelope.of("a", message, direction="client-to-server")


@with_an_owner
def test_the_owner_outlives_every_cancelled_caller(make: Make) -> None:
    """A caller cancelled at any moment stops no other one, and its operation is whole."""

    async def scenario() -> None:
        store = await filled(make)
        caller = may_cancel(asyncio.create_task(store.add_frame(note()), name="caller"))
        others = [asyncio.create_task(store.add_frame(note())) for _ in range(2)]
        await asyncio.wait([caller])
        numbers = await asyncio.gather(*others)
        total = len(await store.get_frames("a"))
        assert total == 3 or (total == 2 and caller.cancelled())
        assert len({*numbers, *range(1, total + 1)}) == total
        assert await store.add_frame(note()) == total + 1
        await store.aclose()

    sweep_cancellations(scenario, seeds=6, strict=True).check()


@pytest.mark.parametrize("capacity", [1, 1024])
def test_nothing_is_done_for_a_caller_who_was_cancelled(capacity: int) -> None:
    """Cancelled while its command is queued means certainly no effect, later neither."""
    ran: list[int] = []

    async def scenario() -> None:
        store = await filled(lambda: ActorSessionStore(capacity=capacity))

        def change(session: Session) -> Session:
            ran.append(caller.cancelling())
            return session

        caller = may_cancel(asyncio.create_task(store.modify_session("a", change)))
        await asyncio.wait([caller])
        await store.aclose()

    sweep_cancellations(scenario, seeds=6, strict=True).check()
    assert ran
    assert not any(ran)


@with_an_owner
def test_a_cancelled_owner_answers_every_caller(make: Make) -> None:
    """As at the end of `asyncio.run`: waiting callers get an answer, and closing ends."""
    answers: set[str] = set()

    async def scenario() -> None:
        store = await make().open()
        try:
            await store.create_session(Session.new(transport_type="stdio", id="a"))
        except (StoreClosed, OutcomeUnknown) as error:
            answers.add(type(error).__name__)
        calls = [asyncio.create_task(store.add_frame(note())) for _ in range(3)]
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            answers.add(type(answer).__name__)
        await store.aclose()
        with pytest.raises(StoreClosed):
            await store.count_sessions()

    swept = sweep_cancellations(scenario, cancellable="sessionkeeper owner", seeds=6)
    swept.check()
    assert swept.cancelled > 10
    assert {"int", "StoreClosed"} <= answers <= {"int", "StoreClosed", "OutcomeUnknown"}
