"""Listeners: several, the same one twice, one that leaves, one that misbehaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import SessionEvent

from tests.support.events import EventLog
from tests.support.sessions import close_session, new_session, note
from tests.support.stores import tables_of

if TYPE_CHECKING:
    from sessionkeeper.stores.facade import CommandStore


ERRORS = [ValueError, StopIteration, asyncio.CancelledError, GeneratorExit, RecursionError]


async def test_listeners_get_events_in_the_order_of_subscription(store: CommandStore) -> None:
    """A listener that subscribed twice is called twice, until one is removed."""
    heard: list[str] = []

    def other(event: SessionEvent, _: Context) -> None:
        heard.append(f"other {event.session.id}")

    def twice(event: SessionEvent, _: Context) -> None:
        heard.append(f"twice {event.session.id}")

    store.subscribe(twice)
    store.subscribe(other)
    leave = store.subscribe(twice)
    await store.create_session(new_session("a"))
    assert heard == ["twice a", "other a", "twice a"]
    for _ in range(2):  # leaving again does nothing
        leave()
    heard.clear()
    await store.create_session(new_session("b"))
    assert heard == ["twice b", "other b"]


async def test_a_listener_that_unsubscribed_gets_no_event(store: CommandStore) -> None:
    """It gets no later events, and nothing of it is kept."""
    log = EventLog(store)
    heard: list[SessionEvent] = []
    leave = store.subscribe(lambda event, _: heard.append(event))
    leave()
    await store.create_session(new_session())
    assert (heard, log.take()) == ([], ["created a"])
    assert len(store._listeners._listeners) == 1


async def test_a_listener_can_leave_while_it_listens(store: CommandStore) -> None:
    """No other is skipped: they get this event, and it gets no later one."""
    heard: list[str] = []
    leave: list[Callable[[], None]] = []

    def once(event: SessionEvent, _: Context) -> None:
        heard.append(f"once {event.session.id}")
        leave[0]()

    first = EventLog(store)
    leave.append(store.subscribe(once))
    last = EventLog(store)
    for key in "ab":
        await store.create_session(new_session(key))
    assert heard == ["once a"]
    assert first.take() == last.take() == ["created a", "created b"]


async def test_a_subscriber_added_during_an_event_gets_the_next_one(store: CommandStore) -> None:
    """It does not get the event that is being delivered."""
    late: list[Any] = []
    store.subscribe(lambda _, __: late.append(EventLog(store)))
    await store.create_session(new_session("a"))
    await store.create_session(new_session("b"))
    assert [log.take() for log in late] == [["created b"], []]


@pytest.mark.parametrize("error", ERRORS)
async def test_an_error_in_a_listener_affects_nobody_else(
    store: CommandStore, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is answered, other listeners hear, the owner lives; only the type is logged."""

    def raises(event: SessionEvent, _: Context) -> None:
        raise error("secret-text")

    first = EventLog(store)
    store.subscribe(raises)
    last = EventLog(store)
    with caplog.at_level(logging.ERROR):
        await store.create_session(new_session())
        await close_session(store)
        await store.delete_session("a")
    assert await store.count_sessions() == 0
    assert first.take() == last.take() == ["created a", "state-changed a", "deleted a"]
    assert [record.getMessage() for record in caplog.records] == [
        f"a listener raised {error.__name__}"
    ] * 3
    assert "secret-text" not in caplog.text


async def test_a_listener_cannot_call_the_store(store: CommandStore) -> None:
    """Every call raises and does not hang; the owner lives on."""
    refused: list[str] = []

    def calls(event: SessionEvent, _: Context) -> None:
        for call in (
            store.get_session("a"),
            store.delete_session("a"),
            store.add_frame(note()),
            store.statistics(),
            store.for_principal("p").count_sessions(),
        ):
            try:
                call.send(None)
            except RuntimeError as error:
                refused.append(type(error).__name__)

    store.subscribe(calls)
    await store.create_session(new_session())
    assert len(refused) == 5
    assert await store.count_sessions() == 1
    assert await store.add_frame(note()) == 1


async def test_a_listener_can_have_the_store_called_later(store: CommandStore) -> None:
    """By a task of its own, which sees what happened."""
    tasks: list[asyncio.Task[Any]] = []

    def later(event: SessionEvent, context: Context) -> None:
        if event.before is None:
            call = store.get_session(event.session.id)
            tasks.append(asyncio.get_running_loop().create_task(call, context=context))

    store.subscribe(later)
    created = await store.create_session(new_session())
    assert await tasks[0] == created


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_without_listeners_no_snapshot_is_made(store: CommandStore) -> None:
    """Without listeners, events cost nothing."""
    await store.create_session(new_session())
    await store.touch_session("a")
    row = tables_of(store).find("a")
    assert row is not None
    await store.delete_session("a")
    assert row._is_current is False


async def test_two_stores_have_listeners_of_their_own(store: CommandStore) -> None:
    """A listener gets the events of its own store object."""
    async with type(store)() as other:
        here, there = EventLog(store), EventLog(other)
        await other.create_session(new_session("b"))
        assert (here.take(), there.take()) == ([], ["created b"])
