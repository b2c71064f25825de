"""Watching a third party's session: what ends it, and what happens past the owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    Frame,
    LogReplaced,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    StoreClosed,
    StoreUnavailable,
)

from tests.support.sessions import new_session, note, turns

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup


async def seqs(watcher: AsyncIterator[Frame]) -> list[int]:
    """Watch to the end."""
    return [frame.seq async for frame in watcher]


async def test_closing_the_owner_ends_every_watcher(setup: StoreSetup) -> None:
    """`StoreClosed`, for one that waits, one that is about to and one that comes too late."""
    await setup.create(*"ab")
    await setup.store.add_frame(note())
    reading = setup.store.watch_frames("a")
    await anext(reading)
    tasks = [asyncio.create_task(seqs(setup.store.watch_frames(key))) for key in "aab"]
    await turns(60)
    late = asyncio.create_task(seqs(setup.store.watch_frames("a")))
    await asyncio.sleep(0)
    await setup.store.aclose()
    for task in (*tasks, late, asyncio.ensure_future(anext(reading))):
        with pytest.raises(StoreClosed):
            await task
    assert len(setup.store._bookkeeping.wakeups) == 0


async def test_closing_the_owner_at_its_deadline_ends_every_watcher(setup: StoreSetup) -> None:
    """The owner is cancelled in the middle of an operation, and tells them all the same."""
    await setup.create("a")
    tasks = [asyncio.create_task(seqs(setup.store.watch_frames("a"))) for _ in range(3)]
    await turns(60)
    stuck = asyncio.Event()

    async def hang() -> None:
        await stuck.wait()

    setup.once("add_frame", hang)
    adding = asyncio.ensure_future(setup.store.add_frame(note()))
    await turns(20)
    await setup.store.aclose(timeout=0)
    for task in tasks:
        with pytest.raises(StoreClosed):
            await task
    await asyncio.wait({adding})
    assert adding.exception() is not None


async def test_a_crash_of_a_third_partys_owner_ends_every_watcher(
    setup: StoreSetup, caplog: pytest.LogCaptureFixture
) -> None:
    """No watcher waits forever; the cause is the crash."""
    await setup.create("a")
    task = asyncio.create_task(seqs(setup.store.watch_frames("a")))
    await turns(60)

    class Bug(BaseException):
        """An error that no operation should raise."""

    async def crash() -> None:
        raise Bug

    setup.once("count_sessions", crash)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, __: None)  # the owner's task is never asked
    with caplog.at_level(logging.CRITICAL), pytest.raises(StoreClosed):
        await setup.store.count_sessions()
    with pytest.raises(StoreClosed) as told:
        await task
    assert told.value.__cause__ is not None


async def test_frames_written_elsewhere_are_yielded_when_the_session_is_read(
    setup: StoreSetup,
) -> None:
    """Only this object's own writes wake at once; any look at the session brings the rest."""
    await setup.create(*"abc")
    tasks = [asyncio.create_task(seqs(setup.store.watch_frames(key))) for key in "abc"]
    first = asyncio.ensure_future(anext(setup.store.watch_frames("a")))
    await turns(60)
    await setup.elsewhere.add_frame(note())
    await turns(60)
    assert not first.done()
    await setup.store.get_session("a")
    assert (await first).seq == 1
    await turns(60)
    await setup.turn("a", "closed", setup.elsewhere)
    await setup.elsewhere.delete_session("b")
    setup.wait(1)
    await setup.elsewhere.delete_session("c")
    await setup.elsewhere.create_session(new_session("c"))
    await setup.elsewhere.add_frame(note(1, "c"))
    await turns(60)
    assert not any(task.done() for task in tasks)
    await setup.store.list_sessions()
    assert await asyncio.gather(*tasks) == [[1], [], []]


async def test_frames_are_numbered_right_while_others_append(setup: StoreSetup) -> None:
    """A write of another process between reading the session and its log shifts no number."""
    await setup.create("a")
    for n in range(1, 6):
        await setup.store.add_frame(note(n))
    await setup.elsewhere.trim_frames("a", up_to=2)

    async def append() -> None:
        await setup.elsewhere.add_frame(note(6))

    async def trim() -> None:
        await setup.elsewhere.trim_frames("a", up_to=4)
        await setup.elsewhere.add_frame(note(7))

    for meanwhile in (append, trim):
        setup.once("get_frames", meanwhile)
        frames = await setup.store.read_frames("a")
        assert all(f.envelope.message.endswith(b"[%d]}" % f.seq) for f in frames)
    assert [f.seq for f in frames] == [5, 6, 7]
    assert [f.seq for f in await setup.store.read_frames("a", after=5, limit=1)] == [6]
    newest = await setup.store.read_frames("a", after=5, limit=1, newest=True)
    assert [f.seq for f in newest] == [7]
    assert await setup.store.read_frames("a", after=7) == []


async def test_copying_a_log_that_keeps_changing_is_abandoned(setup: StoreSetup) -> None:
    """It does not try forever: an error says that the frames cannot be numbered."""
    await setup.create("a")
    await setup.store.add_frame(note())
    reads = 0

    async def drop() -> None:
        nonlocal reads
        reads += 1
        await setup.elsewhere.add_frame(note())
        await setup.elsewhere.trim_frames("a", up_to=reads)

    everlasting: Any = 1_000
    setup.once("get_frames", drop, times=everlasting)
    with pytest.raises(StoreUnavailable):
        await setup.store.read_frames("a")
    assert reads == 16


async def test_a_watcher_gets_an_error_when_the_log_is_replaced() -> None:
    """A third party's store that came back as it was before, and took other frames since."""
    inner = PlainSessionStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await store.add_frame(labelled("one"))
        tables = inner._tables
        shared = [tables.clock, tables.limits, tables._notify, tables._listeners]
        shared += [row.session for row in tables.rows()]
        before = deepcopy(tables, {id(each): each for each in shared})
        await store.add_frame(labelled("lost2"))
        async with store.watch_frames("a") as watcher, asyncio.timeout(300):
            assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
            inner._tables = before
            for label in ("kept2", "kept3"):
                await store.add_frame(labelled(label))
            with pytest.raises(LogReplaced):
                await anext(watcher)


def labelled(label: str) -> MessageEnvelope:
    """A notification that can be told from others."""
    message = {"jsonrpc": "2.0", "method": label}
    return MessageEnvelope.of("a", message, direction="client-to-server")
