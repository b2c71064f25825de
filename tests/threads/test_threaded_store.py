"""A store with a loop thread of its own, called from many loops and from none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MemoryBackend,
    Session,
    SessionEvent,
    SessionManager,
    SessionNotFound,
    SQLiteSessionStore,
    StoreLimits,
    StoreUnavailable,
    ThreadedSessionStore,
    ThreadSafeSessionStore,
    threaded,
)
from soleowner import Reentrant, WouldBlock

from tests.support.sessions import new_session, note
from tests.support.thread_group import ThreadGroup

R = TypeVar("R")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def one_more(session: Any) -> Any:
    """Count in the metadata."""
    return session.model_copy(update={"metadata": {"n": session.metadata.get("n", 0) + 1}})


def no_thread_is_left() -> bool:
    """Whether the threads of all stores end; those of a database are about to, at most."""
    threads = [each for each in threading.enumerate() if each.name.startswith("sessionkeeper")]
    for thread in threads:
        assert thread.name != "sessionkeeper loop"
        thread.join(300)
    return not any(thread.is_alive() for thread in threads)


@pytest.fixture
def store(store_url: str) -> Iterator[ThreadedSessionStore]:
    """An open store, opened and closed without a loop."""
    with threaded(store_url) as store:
        yield store
    assert no_thread_is_left()


def run(loop_factory: LoopFactory, work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine on a new loop of this thread."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


def test_many_loops_and_threads_share_it(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """No update is lost, and frames have no gap, whoever sends them and however."""
    store.blocking.create_session(new_session())
    facade = store.blocking

    async def on_a_loop() -> list[int]:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(store.modify_session("a", one_more))
            added = [group.create_task(store.add_frame(note(n))) for n in range(16)]
        return [each.result() for each in added]

    def in_a_thread() -> list[int]:
        for _ in range(4):
            facade.modify_session("a", one_more)
        return [facade.add_frame(note(n)) for n in range(16)]

    group = ThreadGroup()
    loops = [group.begin(lambda: run(loop_factory, on_a_loop())) for _ in range(8)]
    threads = [group.begin(in_a_thread) for _ in range(8)]
    numbers = [number for each in (*loops, *threads) for number in each.result(300)]
    assert sorted(numbers) == [*range(1, 257)]
    assert facade.get_session("a").metadata == {"n": 64}


def test_loops_one_after_the_other_in_one_thread_share_it(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """As a synchronous framework does that makes a loop for each call."""
    run(loop_factory, store.create_session(new_session()))
    assert [run(loop_factory, store.add_frame(note(n))) for n in range(5)] == [1, 2, 3, 4, 5]


async def test_errors_are_the_stores(store: ThreadedSessionStore) -> None:
    """Also what a change raises; the owner lives on."""
    with pytest.raises(SessionNotFound):
        await store.get_session("a")
    with pytest.raises(TypeError, match="session id"):
        await store.get_session(5)  # type: ignore[arg-type]  # wrong on purpose
    await store.create_session(new_session())
    mine = KeyError("mine")

    def change(_: Session) -> Session:
        raise mine

    with pytest.raises(KeyError) as caught:
        await store.modify_session("a", change)
    assert caught.value is mine
    assert (await store.get_session("a")).revision == 1


async def test_a_principal_sees_its_own(store: ThreadedSessionStore) -> None:
    """The view works from any loop, too, and watches."""
    alice, bob = store.for_principal("alice"), store.for_principal("bob")
    assert (await alice.create_session(new_session())).principal == "alice"
    await alice.add_frame(note(1))
    async with alice.watch_frames("a") as frames:
        assert (await anext(frames)).seq == 1
    with pytest.raises(SessionNotFound):
        await bob.get_session("a")
    assert "open" in repr(alice)


async def test_the_stores_own_loop_may_await_it(store: ThreadedSessionStore) -> None:
    """A task there is one caller more; blocking there would be for ever, and raises."""
    await store.create_session(new_session())
    facade = store.blocking

    async def there() -> list[int]:
        with pytest.raises(WouldBlock):
            facade.count_sessions()
        with pytest.raises(WouldBlock):
            store.close()
        async with store.watch_frames("a") as frames:
            step = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)
            await store.add_frame(note(1))
            await store.settle()
            return [(await step).seq, await store.count_sessions()]

    assert await on_its_loop(store, there()) == [1, 1]


async def on_its_loop(store: ThreadedSessionStore, work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine on the loop of the store."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, store._thread._loop))


async def test_a_change_cannot_call_the_store(store: ThreadedSessionStore) -> None:
    """The owner would wait for itself: also on a loop that the change makes."""
    await store.create_session(new_session())
    facade = store.blocking

    def blocking(session: Session) -> Session:
        facade.count_sessions()
        return session

    def awaiting(session: Session) -> Session:
        call = store.count_sessions()
        with pytest.raises(StopIteration):  # `asyncio.run` needs a thread without a loop
            call.send(None)
        return session

    with pytest.raises(Reentrant):
        await store.modify_session("a", blocking)
    with pytest.raises((Reentrant, RuntimeError)):
        await store.modify_session("a", awaiting)
    assert await store.count_sessions() == 1


async def test_watchers_on_several_loops_miss_nothing(
    store: ThreadedSessionStore, loop_factory: LoopFactory
) -> None:
    """Each gets all frames in order; the end of the session ends them, and nothing is left."""
    await store.create_session(new_session())

    async def watch() -> list[int]:
        return [frame.seq async for frame in store.watch_frames("a")]

    group = ThreadGroup()
    elsewhere = [group.begin(lambda: run(loop_factory, watch())) for _ in range(3)]
    here = [asyncio.ensure_future(watch()) for _ in range(3)]
    for n in range(100):
        await store.add_frame(note(n))
    await store.modify_session("a", lambda s: s.model_copy(update={"state": "closed"}))
    assert await asyncio.gather(*here) == [[*range(1, 101)]] * 3
    assert [await asyncio.to_thread(each.result, 300) for each in elsewhere] == [
        [*range(1, 101)]
    ] * 3
    await store.settle()
    assert await on_its_loop(store, counted(store)) == 0


async def counted(store: ThreadedSessionStore) -> int:
    """How many watchers wait, seen on the loop of the store."""
    assert store._store is not None
    return len(store._store._wakeups)


async def test_a_watcher_that_waits_is_closed_or_cancelled(store: ThreadedSessionStore) -> None:
    """Both end the step, and leave nothing behind; a cancelled step loses nothing."""
    await store.create_session(new_session())
    watcher = store.watch_frames("a")
    step = asyncio.ensure_future(anext(watcher))
    while not await on_its_loop(store, counted(store)):
        await asyncio.sleep(0)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    await store.add_frame(note(1))
    assert (await anext(watcher)).seq == 1
    waiting = asyncio.ensure_future(anext(watcher, None))
    while not await on_its_loop(store, counted(store)):
        await asyncio.sleep(0)
    await watcher.aclose()
    assert await waiting is None
    assert await on_its_loop(store, counted(store)) == 0


async def test_listeners_hear_and_are_removed(store: ThreadedSessionStore) -> None:
    """In the store's thread, also those that were added before it was open."""
    heard: list[tuple[str, str]] = []

    def listener(name: str, event: SessionEvent, _: object) -> None:
        heard.append((name, event.session.id))

    early = threaded("memory://")
    early.subscribe(partial(listener, "early"))
    async with early:
        await early.create_session(new_session("b"))
    remove = store.subscribe(partial(listener, "late"))
    await store.create_session(new_session())
    remove()
    await store.delete_session("a")
    assert heard == [("early", "b"), ("late", "a")]


async def test_it_tells_of_itself(store: ThreadedSessionStore) -> None:
    """Statistics, mailbox, observers, promises, and a facade of a facade."""
    seen: list[int] = []
    assert store.mailbox is not None
    assert (store.mailbox.commands, repr(store).count("open")) == (0, 1)

    class Observer:
        def batch(self, commands: int, waited: float, served: float, /) -> None:
            seen.append(commands)

    store.observe(Observer())
    await store.create_session(new_session())
    await store.settle()
    store.observe(None)
    assert seen == [1]
    statistics = await store.statistics()
    assert (statistics.counters.created, statistics.refusals) == (1, {})
    assert (statistics.server is not None) is (store.guarantees.scope == "cluster")
    assert store.guarantees.durability in ("memory", "disk")  # the server syncs
    assert await asyncio.to_thread(ThreadSafeSessionStore(store).count_sessions) == 1


async def test_a_manager_works_on_it(store: ThreadedSessionStore) -> None:
    """And leaves it open."""
    async with SessionManager.with_store(store) as manager:
        sid = (await manager.create_session(transport_type="in-process")).id
        await manager.record(note(1, sid))
    assert store.is_open
    assert await store.count_frames(sid) == 1


def test_the_configuration_is_checked_at_once(tmp_path: Path) -> None:
    """Wrong settings raise before a thread is started."""
    for wrong, error in {
        "mysql://": "store URL",
        "memory://?x=1": "nothing after it",
    }.items():
        with pytest.raises(ValueError, match=error):
            threaded(wrong)
    with pytest.raises(TypeError, match="a StorageBackend or a URL"):
        threaded(5)  # type: ignore[arg-type]  # wrong on purpose
    for setting in ("durability", "kind"):
        with pytest.raises(TypeError, match=f"not a setting of this backend: {setting}"):
            threaded("memory://", **{setting: "os"})
    with pytest.raises(ValueError, match="capacity"):
        threaded("memory://", capacity=0)
    assert no_thread_is_left()
    with threaded(MemoryBackend(), limits=StoreLimits(max_sessions=1)) as store:
        store.blocking.create_session(new_session())
        with pytest.raises(Exception, match="max_sessions"):
            store.blocking.create_session(new_session("b"))
    with threaded(f"sqlite:///{tmp_path}/a.db", durability="os") as kept:
        assert kept.guarantees.durability == "os"


def test_a_store_that_cannot_be_opened_leaves_no_thread(
    tmp_path: Path, loop_factory: LoopFactory
) -> None:
    """Opening raises what the store raises, blocking and awaited."""
    (tmp_path / "no.db").write_text("not a database, and long enough to be seen as none" * 40)
    url = f"sqlite:///{tmp_path}/no.db"
    with pytest.raises(StoreUnavailable):
        threaded(url).start()
    with pytest.raises(StoreUnavailable):
        run(loop_factory, threaded(url).open())
    assert no_thread_is_left()


def test_any_store_with_an_owner_can_have_a_thread(tmp_path: Path) -> None:
    """The function that opens it runs in the thread."""
    where: list[str] = []

    async def opening() -> SQLiteSessionStore:
        where.append(threading.current_thread().name)
        return await SQLiteSessionStore(tmp_path / "a.db", lock_timeout=1).open()

    with ThreadedSessionStore(opening) as store:
        assert store.blocking.count_sessions() == 0
    assert where == ["sessionkeeper loop"]
    assert isinstance(store, AtomicSessionStore)
    assert not isinstance(store, ActorSessionStore)
