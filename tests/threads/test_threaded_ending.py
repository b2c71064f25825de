"""Calls that are cancelled, and stores and loops that end while calls are out."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Session,
    SessionEvent,
    StoreClosed,
    ThreadedSessionStore,
    threaded,
)

from tests.support.sessions import new_session, note
from tests.support.thread_group import ThreadGroup
from tests.threads.test_threaded_store import no_thread_is_left, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def store(store_url: str) -> Iterator[ThreadedSessionStore]:
    """An open store with a session; its thread ends with the test."""
    store = threaded(store_url).start()
    store.blocking.create_session(new_session())
    yield store
    store.close()
    assert no_thread_is_left()


@contextmanager
def held(store: ThreadedSessionStore) -> Iterator[None]:
    """Stop the loop of the store while the block runs."""
    gate, there = threading.Event(), threading.Event()

    def stand_still() -> None:
        there.set()
        assert gate.wait(300)

    store._thread._loop.call_soon_threadsafe(stand_still)
    assert there.wait(300)
    try:
        yield
    finally:
        gate.set()


async def test_a_call_cancelled_while_it_is_queued_has_no_effect(
    store: ThreadedSessionStore,
) -> None:
    """From the moment of `cancel`, before its task runs again."""
    with held(store):
        tasks = [asyncio.ensure_future(store.add_frame(note(n))) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    got = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in got] == [asyncio.CancelledError, int] * 5
    kept = [frame.envelope.message for frame in await store.read_frames("a")]
    assert kept == [note(n).message for n in range(1, 10, 2)]
    assert not store._port._handed_over


async def test_a_call_cancelled_when_it_has_begun_is_completed(
    store: ThreadedSessionStore,
) -> None:
    """The change runs in the thread of the store or its database, and is stored."""
    begun, end = threading.Event(), threading.Event()

    def change(session: Session) -> Session:
        begun.set()
        assert end.wait(300)
        return session.model_copy(update={"tags": {"done"}})

    task = asyncio.ensure_future(store.modify_session("a", change))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end.set()
    await store.settle()
    assert (await store.get_session("a")).tags == {"done"}


async def test_cancelling_at_any_moment_leaves_all_or_nothing(
    store: ThreadedSessionStore,
) -> None:
    """Batches of callers that give up after more and more turns: whole, or not there."""
    for turns in range(60):
        batch = [note(turns), note(turns), note(turns)]
        task = asyncio.ensure_future(store.add_frames("a", batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            numbers = await task
        except asyncio.CancelledError:
            await store.settle()
        else:
            frames = await store.read_frames("a", after=numbers[0] - 1)
            assert [each.envelope.message for each in frames] == [batch[0].message] * 3
    assert await store.count_frames("a") % 3 == 0


async def test_a_timeout_around_a_call_withdraws_it(store: ThreadedSessionStore) -> None:
    """`asyncio.timeout` means what it means on every store."""
    with held(store), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await store.delete_session("a")
    assert await store.count_sessions() == 1


def test_a_loop_that_ends_takes_its_queued_calls_along(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """Cancelled by `asyncio.run`, or closed with tasks that nobody cancelled."""

    async def leave() -> asyncio.Task[int]:
        task = asyncio.ensure_future(store.add_frame(note(1)))
        await asyncio.sleep(0)
        return task

    with held(store):
        run(loop_factory, leave())
    assert store.blocking.count_frames("a") == 0
    with held(store):
        loop = loop_factory()
        task = loop.run_until_complete(leave())
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # meant to be left behind
        loop.close()
    assert store.blocking.count_frames("a") == 0
    assert store.blocking.add_frame(note(2)) == 1


def test_a_loop_that_ends_during_its_call_leaves_it_completed(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """The reply finds no loop any more, which disturbs nobody."""
    begun, end = threading.Event(), threading.Event()

    def change(session: Session) -> Session:
        begun.set()
        assert end.wait(300)
        return session.model_copy(update={"tags": {"done"}})

    async def leave() -> asyncio.Task[Session]:
        task = asyncio.ensure_future(store.modify_session("a", change))
        await asyncio.to_thread(begun.wait)
        return task

    run(loop_factory, leave())
    end.set()
    facade = store.blocking
    while not facade.get_session("a").tags:
        pass
    assert facade.add_frame(note(1)) == 1


def test_a_loop_that_stands_still_gets_its_replies_later(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """Between two `run_until_complete`."""
    loop = loop_factory()

    async def begin() -> asyncio.Task[int]:
        task = asyncio.ensure_future(store.add_frame(note(1)))
        await asyncio.sleep(0)
        return task

    task = loop.run_until_complete(begin())
    facade = store.blocking
    while not facade.count_frames("a"):
        pass
    assert loop.run_until_complete(task) == 1
    loop.close()


async def test_closing_finishes_what_is_out(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """Of all loops and threads; what comes later is refused."""
    group = ThreadGroup()
    facade = store.blocking

    async def call() -> list[int]:
        return await asyncio.gather(*(store.add_frame(note(n)) for n in range(8)))

    with held(store):
        here = asyncio.ensure_future(call())
        there = group.begin(lambda: run(loop_factory, call()))
        blocking = group.begin(lambda: facade.add_frame(note(9)))
        while len(store._port._sent) < 16 or not facade._port._calls:
            await asyncio.sleep(0)
        closing = [asyncio.ensure_future(store.aclose()) for _ in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*closing)
    numbers = await here + await asyncio.to_thread(there.result, 300) + [blocking.result(300)]
    assert sorted(numbers) == [*range(1, 18)]
    assert not store.is_open
    with pytest.raises(StoreClosed):
        await store.count_sessions()
    with pytest.raises(StoreClosed):
        facade.count_sessions()
    with pytest.raises(StoreClosed):
        store.blocking  # noqa: B018 - reading it raises
    with pytest.raises(RuntimeError, match="opened once"):
        await store.open()
    store.close()
    await store.settle()  # an owner that has ended has settled everything


async def test_closing_in_no_time_refuses_what_is_queued(store: ThreadedSessionStore) -> None:
    """With `StoreClosed`, on every loop, and no effect."""
    begun, end = threading.Event(), threading.Event()

    def change(session: Session) -> Session:
        begun.set()
        assert end.wait(300)
        return session

    first = asyncio.ensure_future(store.modify_session("a", change))
    await asyncio.to_thread(begun.wait)
    queued = [asyncio.ensure_future(store.add_frame(note(n))) for n in range(8)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.aclose(timeout=0))
    await asyncio.sleep(0)
    end.set()
    await closing
    got = await asyncio.gather(first, *queued, return_exceptions=True)
    assert {type(each) for each in got[1:]} <= {StoreClosed, int}
    with pytest.raises(TypeError, match="a timeout is a number"):
        await store.aclose(timeout="1")  # type: ignore[arg-type]  # wrong on purpose


async def test_closing_ends_watchers_of_every_loop(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """With `StoreClosed`: nobody waits for ever."""
    group = ThreadGroup()

    async def watch() -> None:
        async for _ in store.watch_frames("a"):
            pass

    there = group.begin(lambda: run(loop_factory, watch()))
    here = asyncio.ensure_future(watch())
    inner = store._store
    assert inner is not None
    while len(inner._wakeups) < 2:
        await asyncio.sleep(0)
    await store.aclose()
    with pytest.raises(StoreClosed):
        await here
    with pytest.raises(StoreClosed):
        await asyncio.to_thread(there.result, 300)


async def test_a_cancelled_closing_closes_all_the_same(store: ThreadedSessionStore) -> None:
    """The thread ends; another call waits for it."""
    with held(store):
        closing = asyncio.ensure_future(store.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert not store.is_open
    await store.aclose()
    assert no_thread_is_left()


async def test_the_stores_own_loop_may_close_it(store: ThreadedSessionStore) -> None:
    """Without waiting for its own thread, which ends."""
    done = asyncio.run_coroutine_threadsafe(store.aclose(), store._thread._loop)
    await asyncio.wrap_future(done)
    await store.aclose()
    assert no_thread_is_left()


async def test_before_it_is_open_every_call_says_so() -> None:
    """And a store that was closed before cannot be opened."""
    store = threaded("memory://")
    for call in (store.count_sessions, store.settle, partial(anext, store.watch_frames("a"))):
        with pytest.raises(RuntimeError, match="not open"):
            await call()
    for wrong in (lambda: store.blocking, lambda: store.for_principal("a"), store.bridge):
        with pytest.raises(RuntimeError, match="not open"):
            wrong()
    assert (store.is_open, store.mailbox) == (False, None)
    assert "not open" in repr(store)
    await store.aclose()
    with pytest.raises(StoreClosed):
        await store.count_sessions()
    with pytest.raises(RuntimeError, match="opened once"):
        store.start()


async def test_closing_ends_an_opening_that_hangs() -> None:
    """Its caller gets `StoreClosed`, and no thread is left."""
    begun = threading.Event()

    async def opening() -> ActorSessionStore:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    store = ThreadedSessionStore(opening)
    opened = asyncio.ensure_future(store.open())
    await asyncio.to_thread(begun.wait)
    await store.aclose()
    with pytest.raises(StoreClosed):
        await opened
    assert no_thread_is_left()


async def test_a_cancelled_opening_leaves_no_thread() -> None:
    """Whenever it is cancelled: what it opened is closed."""
    opened: list[ActorSessionStore] = []

    async def opening() -> ActorSessionStore:
        for _ in range(5):
            await asyncio.sleep(0)
        opened.append(await ActorSessionStore().open())
        return opened[-1]

    for turns in range(40):
        store = ThreadedSessionStore(opening)
        task = asyncio.ensure_future(store.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        else:
            await store.aclose()
        assert no_thread_is_left()
    assert not [each for each in opened if each.is_open]


async def test_an_exit_in_a_listener_ends_the_loop_and_hangs_nobody(
    caplog: pytest.LogCaptureFixture, loop_factory: LoopFactory
) -> None:
    """All callers of all loops get `StoreClosed`, and closing returns."""
    store = await threaded("memory://").open()
    await store.create_session(new_session())

    def listener(_: SessionEvent, __: object) -> None:
        raise SystemExit(3)

    store.subscribe(listener)
    group = ThreadGroup()

    async def watch() -> None:
        async for _ in store.watch_frames("a"):
            pass

    there = group.begin(lambda: run(loop_factory, watch()))
    inner = store._store
    assert inner is not None
    while not len(inner._wakeups):
        await asyncio.sleep(0)
    calls = [store.delete_session("a"), *(store.count_sessions() for _ in range(8))]
    got = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in got} == {StoreClosed}
    with pytest.raises(StoreClosed):
        await asyncio.to_thread(there.result, 300)
    with pytest.raises(StoreClosed):
        await store.count_sessions()
    await store.aclose()
    assert no_thread_is_left()
    assert "the loop of a store ended with SystemExit" in caplog.text
    owner = inner._actor._task
    assert owner is not None
    assert isinstance(owner.exception(), SystemExit)


def test_closing_it_again_while_its_loop_ends_leaves_no_task(
    store: ThreadedSessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    """In the last turns of a loop nothing runs a new task to its end."""
    thread = store._thread

    def close_in_each_turn() -> None:
        thread.begin_closing(None)
        thread.settle_here(thread.opened.result()[0], Future())
        thread._loop.call_soon(close_in_each_turn)

    thread._loop.call_soon_threadsafe(close_in_each_turn)
    store.close()
    gc.collect()
    assert [record.message for record in caplog.records] == []
