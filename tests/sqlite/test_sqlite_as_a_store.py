"""The store in a file is a store like the others: threads, views, events, counters, metrics."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sessionkeeper import (
    Session,
    SessionEvent,
    SessionNotFound,
    SQLiteSessionStore,
    StoreClosed,
    StoreUnavailable,
    ThreadSafeSessionStore,
)
from sessionkeeper.otel import Telemetry
from soleowner import Reentrant, WouldBlock, WrongLoop

from tests.support.sessions import new_session, note
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.thread_group import ThreadGroup


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SQLiteSessionStore]:
    """A store in a file."""
    async with SQLiteSessionStore(file, durability="os") as store:
        yield store


def counted(session: Session) -> Session:
    """One more."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def test_no_modification_of_threads_and_tasks_is_lost(
    store: SQLiteSessionStore, thread_group: ThreadGroup
) -> None:
    """Sixteen threads by the facade and a task beside them; frames have no gap."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())

    def work() -> list[int]:
        for _ in range(10):
            facade.modify_session("a", counted)
        return [facade.add_frame(note(n)) for n in range(10)]

    async def beside() -> None:
        for _ in range(50):
            await store.modify_session("a", counted)

    got, _ = await asyncio.gather(thread_group.do(*[work] * 16), beside())
    assert sorted(n for numbers in got for n in numbers) == [*range(1, 161)]
    assert (await store.get_session("a")).metadata == {"n": 210}


async def test_the_facade_has_the_stores_errors_and_views(
    store: SQLiteSessionStore, thread_group: ThreadGroup
) -> None:
    """A principal's view, a watch, a refusal, the loop's own thread, and a closed store."""
    facade = ThreadSafeSessionStore(store)

    def work() -> int:
        alice, bob = facade.for_principal("alice"), facade.for_principal("bob")
        assert alice.create_session(new_session()).principal == "alice"
        alice.add_frame(note())
        with alice.watch_frames("a") as frames:
            assert next(frames).seq == 1
        with pytest.raises(SessionNotFound):
            bob.get_session("a")
        return facade.statistics().frames

    assert await thread_group.do(work) == [1]
    with pytest.raises(WouldBlock):
        facade.count_sessions()
    await store.aclose()
    (closed,) = await thread_group.do(facade.count_sessions)
    assert isinstance(closed, StoreClosed)


async def test_a_change_cannot_ask_from_the_databases_thread(
    store: SQLiteSessionStore, thread_group: ThreadGroup
) -> None:
    """Neither the store nor its facade: the owner would wait for itself. It goes on after."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())

    def by_facade(session: Session) -> Session:
        facade.count_sessions()
        return session

    def by_store(session: Session) -> Session:
        call = store.get_session("a")
        try:
            call.send(None)
        finally:
            call.close()
        return session

    for change in (by_facade, by_store):
        with pytest.raises(Reentrant):
            await store.modify_session("a", change)
        (got,) = await thread_group.do(partial(facade.modify_session, "a", change))
        assert isinstance(got, Reentrant)
    assert await store.add_frame(note()) == 1


async def test_elsewhere_the_store_names_the_facade(
    store: SQLiteSessionStore, tmp_path: Path
) -> None:
    """The error for another thread names the facade, also for the methods of upkeep."""
    copy = partial(store.backup, tmp_path / "copy.db")

    def ask() -> None:
        for method in (store.count_sessions, store.vacuum, store.checkpoint, store.check, copy):
            with pytest.raises(WrongLoop, match="ThreadSafeSessionStore"):
                method().send(None)

    await asyncio.to_thread(ask)


async def test_refusals_are_counted_whoever_is_refused(file: Path) -> None:
    """By their kind, those of a batch that could not be committed too; not a change's own error."""

    def raises(_: Session) -> Session:
        raise SessionNotFound("the caller's own")

    async with SQLiteSessionStore(file, durability="os", lock_timeout=0) as store:
        await store.create_session(new_session())
        for call in (
            store.get_session("nobody"),
            store.for_principal("p").get_session("a"),
            store.create_session(new_session()),
            store.modify_session("a", raises),
        ):
            with pytest.raises(Exception, match=r"."):
                await call
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        calls = [store.add_frame(note()) for _ in range(3)]
        refused = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in refused] == [StoreUnavailable] * 3
        other.close()
        assert (await store.statistics()).refusals == {
            "SessionNotFound": 2,
            "SessionExists": 1,
            "StoreUnavailable": 3,
        }


async def test_metrics_are_those_of_any_store(store: SQLiteSessionStore) -> None:
    """Batches, sessions and refusals, by the real SDK."""
    reader = InMemoryMetricReader()
    async with Telemetry(store, meter_provider=MeterProvider([reader])) as telemetry:
        await store.create_session(new_session())
        await store.add_frame(note())
        with pytest.raises(SessionNotFound):
            await store.get_session("b")
        await telemetry.refresh()
        data = reader.get_metrics_data()
        assert data is not None
        points = {
            metric.name.removeprefix("sessionkeeper."): list(metric.data.data_points)
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
        }
    [frames], [refusals], [size] = points["frames"], points["refusals"], points["batch.size"]
    assert [getattr(each, "value", None) for each in (frames, refusals)] == [1, 1]
    assert getattr(size, "sum", 0) >= 3


async def test_events_of_a_batch_come_in_order_and_as_the_owner(store: SQLiteSessionStore) -> None:
    """One for each, of a caller who is cancelled too; a listener cannot call the store."""
    heard: list[str] = []
    refused: list[str] = []

    def listen(event: SessionEvent, _: Context) -> None:
        heard.append(f"{event.kind} {event.session.id}")
        call = store.count_sessions()
        try:
            call.send(None)
        except Reentrant as error:
            refused.append(type(error).__name__)

    begun, go_on = threading.Event(), threading.Event()

    def waits(session: Session) -> Session:
        begun.set()
        assert go_on.wait(1800)
        return session.model_copy(update={"state": "active"})

    leave = store.subscribe(listen)
    await store.create_session(new_session())
    creating = asyncio.create_task(store.create_session(new_session("b")))
    changing = asyncio.create_task(store.modify_session("a", waits))
    for _ in until("begun"):
        await asyncio.sleep(0)
        if begun.is_set():
            break
    creating.cancel()  # applied, and not yet committed
    await asyncio.wait({creating})
    assert heard == ["created a"]
    go_on.set()
    await changing
    await store.delete_session("b")
    assert heard == ["created a", "created b", "state-changed a", "deleted b"]
    assert refused == ["Reentrant"] * 4
    assert creating.cancelled()
    leave()
    await store.delete_session("a")
    assert len(heard) == 4
