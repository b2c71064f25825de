"""Listeners: several, the same one twice, one that leaves, one that misbehaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import SessionEvent

if TYPE_CHECKING:
    from sessionkeeper.stores.facade import CommandStore

    from tests.stores.conftest import Desk

ERRORS = [ValueError, StopIteration, asyncio.CancelledError, GeneratorExit, RecursionError]


async def test_listeners_are_told_in_the_order_they_came(store: CommandStore, desk: Desk) -> None:
    """And the same one twice is told twice, until one of the two is taken away."""
    heard: list[str] = []

    def other(event: SessionEvent, _: Context) -> None:
        heard.append(f"other {event.session.id}")

    def twice(event: SessionEvent, _: Context) -> None:
        heard.append(f"twice {event.session.id}")

    store.subscribe(twice)
    store.subscribe(other)
    leave = store.subscribe(twice)
    await store.create_session(desk.session("a"))
    assert heard == ["twice a", "other a", "twice a"]
    for _ in range(2):  # leaving again does nothing
        leave()
    heard.clear()
    await store.create_session(desk.session("b"))
    assert heard == ["twice b", "other b"]


async def test_who_has_left_hears_nothing(store: CommandStore, desk: Desk) -> None:
    """Of what happens later; and nothing is kept of it."""
    ear = desk.ear(store)
    heard: list[SessionEvent] = []
    leave = store.subscribe(lambda event, _: heard.append(event))
    leave()
    await store.create_session(desk.session())
    assert (heard, ear.told()) == ([], ["created a"])
    assert len(store._listeners._listeners) == 1


async def test_a_listener_can_leave_while_it_listens(store: CommandStore, desk: Desk) -> None:
    """Nobody is passed over: the others hear this event, and it no later one."""
    heard: list[str] = []
    leave: list[Callable[[], None]] = []

    def once(event: SessionEvent, _: Context) -> None:
        heard.append(f"once {event.session.id}")
        leave[0]()

    first = desk.ear(store)
    leave.append(store.subscribe(once))
    last = desk.ear(store)
    for key in "ab":
        await store.create_session(desk.session(key))
    assert heard == ["once a"]
    assert first.told() == last.told() == ["created a", "created b"]


async def test_who_subscribes_while_one_is_told_hears_the_next(
    store: CommandStore, desk: Desk
) -> None:
    """Not the event that is being told."""
    late: list[Any] = []
    store.subscribe(lambda _, __: late.append(desk.ear(store)))
    await store.create_session(desk.session("a"))
    await store.create_session(desk.session("b"))
    assert [ear.told() for ear in late] == [["created b"], []]


@pytest.mark.parametrize("error", ERRORS)
async def test_a_listener_that_raises_hurts_nobody(
    store: CommandStore, desk: Desk, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is answered, other listeners hear, the owner lives; only the type is logged."""

    def raises(event: SessionEvent, _: Context) -> None:
        raise error("secret-text")

    first = desk.ear(store)
    store.subscribe(raises)
    last = desk.ear(store)
    with caplog.at_level(logging.ERROR):
        await store.create_session(desk.session())
        await desk.close(store)
        await store.delete_session("a")
    assert await store.count_sessions() == 0
    assert first.told() == last.told() == ["created a", "state-changed a", "deleted a"]
    assert [record.getMessage() for record in caplog.records] == [
        f"a listener raised {error.__name__}"
    ] * 3
    assert "secret-text" not in caplog.text


async def test_a_listener_cannot_call_the_store(store: CommandStore, desk: Desk) -> None:
    """It is told so, whatever it asks, and does not hang; the owner lives."""
    refused: list[str] = []

    def calls(event: SessionEvent, _: Context) -> None:
        for call in (
            store.get_session("a"),
            store.delete_session("a"),
            store.add_frame(desk.note()),
            store.statistics(),
            store.for_principal("p").count_sessions(),
        ):
            try:
                call.send(None)
            except RuntimeError as error:
                refused.append(type(error).__name__)

    store.subscribe(calls)
    await store.create_session(desk.session())
    assert len(refused) == 5
    assert await store.count_sessions() == 1
    assert await store.add_frame(desk.note()) == 1


async def test_a_listener_can_have_the_store_called_later(store: CommandStore, desk: Desk) -> None:
    """By a task of its own, which sees what happened."""
    tasks: list[asyncio.Task[Any]] = []

    def later(event: SessionEvent, context: Context) -> None:
        if event.before is None:
            call = store.get_session(event.session.id)
            tasks.append(asyncio.get_running_loop().create_task(call, context=context))

    store.subscribe(later)
    created = await store.create_session(desk.session())
    assert await tasks[0] == created


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_without_listeners_no_snapshot_is_made(store: CommandStore, desk: Desk) -> None:
    """What nobody hears costs nothing."""
    await store.create_session(desk.session())
    await store.touch_session("a")
    row = desk.tables(store).find("a")
    assert row is not None
    await store.delete_session("a")
    assert row._asked == 0


async def test_two_stores_have_listeners_of_their_own(store: CommandStore, desk: Desk) -> None:
    """One hears of what is done through its store object."""
    async with type(store)() as other:
        here, there = desk.ear(store), desk.ear(other)
        await other.create_session(desk.session("b"))
        assert (here.told(), there.told()) == ([], ["created b"])
