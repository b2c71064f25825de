"""Watching from a thread: a blocking iterator that somebody can always end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    SessionNotFound,
    SessionState,
    StoreClosed,
    ThreadSafeSessionStore,
)

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.thread_group import ThreadGroup
    from tests.threads.conftest import Service


async def outcome(asked: Any) -> Any:
    """What a thread got."""
    return (await asyncio.gather(asyncio.wrap_future(asked), return_exceptions=True))[0]


async def blocked(store: ActorSessionStore) -> None:
    """Go on when a watcher waits to be woken."""
    while not len(store._wakeups):
        await asyncio.sleep(0)
    await store.count_sessions()
    await store.count_sessions()


async def none_left(store: ActorSessionStore) -> None:
    """Go on when no watcher is left."""
    while len(store._wakeups):
        await asyncio.sleep(0)


async def test_all_that_is_there_then_each_new_frame(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """In order, none twice, none missed; it ends when the session ends."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    await store.add_frames("a", [note(n) for n in range(3)])
    asked = thread_group.begin(lambda: [frame.seq for frame in facade.watch_frames("a", after=1)])
    await blocked(store)
    await store.add_frame(note(4))
    closed = {"state": SessionState.CLOSED}
    await store.add_frames("a", [note(5)], change=lambda s: s.model_copy(update=closed))
    assert await outcome(asked) == [2, 3, 4, 5]
    assert len(store._wakeups) == 0


async def test_closing_the_store_ends_a_blocked_step(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """It raises `StoreClosed`."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    asked = thread_group.begin(lambda: next(facade.watch_frames("a")))
    await blocked(store)
    await store.aclose()
    assert isinstance(await outcome(asked), StoreClosed)


async def test_another_thread_ends_a_blocked_step(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """`close` from anywhere, the loop's thread included; the iteration is over, without error."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    readers: list[Any] = []

    def watch() -> list[int]:
        with facade.watch_frames("a") as frames:
            readers.append(frames)
            return [frame.seq for frame in frames]

    asked = thread_group.begin(watch)
    await blocked(store)
    readers[0].close()
    readers[0].close()
    assert await outcome(asked) == []
    await none_left(store)
    assert await thread_group.do(lambda: [*readers[0]]) == [[]]


async def test_stopping_a_watch_early_leaves_nothing_behind(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """Leaving the block takes its wake-up away."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    await store.add_frame(note())

    kept: list[Any] = []

    def watch() -> int:
        with facade.watch_frames("a") as frames:
            kept.append(frames)
            for frame in frames:
                return frame.seq
        return 0

    assert await thread_group.do(watch) == [1]
    await none_left(store)


async def test_an_error_of_the_store_reaches_the_thread(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """Wrong arguments at once, a missing session at the first step, which ends it."""
    facade = ThreadSafeSessionStore(store)

    def work() -> list[int]:
        with pytest.raises(ValueError, match="after"):
            facade.watch_frames("a", after=-1)
        frames = facade.watch_frames("a")
        with pytest.raises(SessionNotFound):
            next(frames)
        return [frame.seq for frame in frames]

    assert await thread_group.do(work) == [[]]
    await none_left(store)


async def test_watching_through_a_closed_facade_is_refused(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """A new one is refused, and so is the next step of an old one."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    await store.add_frames("a", [note(n) for n in range(2)])
    kept: list[Any] = []

    def work() -> str:
        frames = facade.watch_frames("a")
        kept.append(frames)
        next(frames)
        facade.close()
        for refused in (lambda: next(frames), lambda: facade.watch_frames("a")):
            with pytest.raises(StoreClosed):
                refused()
        return "refused"

    assert await thread_group.do(work) == ["refused"]
    await none_left(store)


def test_the_end_of_asyncio_run_ends_a_blocked_step(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], thread_group: ThreadGroup
) -> None:
    """It does not look like the end of the session: `StoreClosed`."""

    async def main() -> Any:
        store = await ActorSessionStore().open()
        facade = ThreadSafeSessionStore(store)
        await store.create_session(new_session())
        asked = thread_group.begin(lambda: [*facade.watch_frames("a")])
        await blocked(store)
        return asked

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        asked = runner.run(main())
    assert isinstance(asked.exception(timeout=300), StoreClosed)


def test_a_stopped_loop_ends_a_blocked_step(
    facade: ThreadSafeSessionStore, service: Service, thread_group: ThreadGroup
) -> None:
    """Hazard 12: within about a second."""
    facade.create_session(new_session())
    asked = thread_group.begin(lambda: [*facade.watch_frames("a")])
    thread_group.until(lambda: len(service.store._wakeups))
    service.stop()
    assert isinstance(asked.exception(timeout=300), StoreClosed)
