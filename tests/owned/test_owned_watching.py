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

if TYPE_CHECKING:
    from tests.owned.conftest import Bench


async def seqs(watcher: AsyncIterator[Frame]) -> list[int]:
    """Watch to the end."""
    return [frame.seq async for frame in watcher]


async def test_closing_the_owner_ends_every_watcher(bench: Bench) -> None:
    """`StoreClosed`, for one that waits, one that is about to and one that comes too late."""
    await bench.create(*"ab")
    await bench.store.add_frame(bench.note())
    reading = bench.store.watch_frames("a")
    await anext(reading)
    tasks = [asyncio.create_task(seqs(bench.store.watch_frames(key))) for key in "aab"]
    await bench.turns(60)
    late = asyncio.create_task(seqs(bench.store.watch_frames("a")))
    await asyncio.sleep(0)
    await bench.store.aclose()
    for task in (*tasks, late, asyncio.ensure_future(anext(reading))):
        with pytest.raises(StoreClosed):
            await task
    assert len(bench.store._bookkeeping.wakeups) == 0


async def test_closing_the_owner_at_its_deadline_ends_every_watcher(bench: Bench) -> None:
    """The owner is cancelled in the middle of an operation, and tells them all the same."""
    await bench.create("a")
    tasks = [asyncio.create_task(seqs(bench.store.watch_frames("a"))) for _ in range(3)]
    await bench.turns(60)
    stuck = asyncio.Event()

    async def hang() -> None:
        await stuck.wait()

    bench.once("add_frame", hang)
    adding = asyncio.ensure_future(bench.store.add_frame(bench.note()))
    await bench.turns()
    await bench.store.aclose(timeout=0)
    for task in tasks:
        with pytest.raises(StoreClosed):
            await task
    await asyncio.wait({adding})
    assert adding.exception() is not None


async def test_a_crash_of_a_third_partys_owner_ends_every_watcher(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for ever; the cause is the crash."""
    await bench.create("a")
    task = asyncio.create_task(seqs(bench.store.watch_frames("a")))
    await bench.turns(60)

    class Bug(BaseException):
        """What no operation should raise."""

    async def crash() -> None:
        raise Bug

    bench.once("count_sessions", crash)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, __: None)  # the owner's task is never asked
    with caplog.at_level(logging.CRITICAL), pytest.raises(StoreClosed):
        await bench.store.count_sessions()
    with pytest.raises(StoreClosed) as told:
        await task
    assert told.value.__cause__ is not None


async def test_frames_written_elsewhere_are_yielded_when_the_session_is_read(
    bench: Bench,
) -> None:
    """Only this object's own writes wake at once; any look at the session brings the rest."""
    await bench.create(*"abc")
    tasks = [asyncio.create_task(seqs(bench.store.watch_frames(key))) for key in "abc"]
    first = asyncio.ensure_future(anext(bench.store.watch_frames("a")))
    await bench.turns(60)
    await bench.elsewhere.add_frame(bench.note())
    await bench.turns(60)
    assert not first.done()
    await bench.store.get_session("a")
    assert (await first).seq == 1
    await bench.turns(60)
    await bench.turn("a", "closed", bench.elsewhere)
    await bench.elsewhere.delete_session("b")
    bench.wait(1)
    await bench.elsewhere.delete_session("c")
    await bench.elsewhere.create_session(bench.session("c"))
    await bench.elsewhere.add_frame(bench.note(1, "c"))
    await bench.turns(60)
    assert not any(task.done() for task in tasks)
    await bench.store.list_sessions()
    assert await asyncio.gather(*tasks) == [[1], [], []]


async def test_frames_are_numbered_right_while_others_append(bench: Bench) -> None:
    """Another process between reading the session and its log shifts no number."""
    await bench.create("a")
    for n in range(1, 6):
        await bench.store.add_frame(bench.note(n))
    await bench.elsewhere.trim_frames("a", up_to=2)

    async def append() -> None:
        await bench.elsewhere.add_frame(bench.note(6))

    async def trim() -> None:
        await bench.elsewhere.trim_frames("a", up_to=4)
        await bench.elsewhere.add_frame(bench.note(7))

    for meanwhile in (append, trim):
        bench.once("get_frames", meanwhile)
        frames = await bench.store.read_frames("a")
        assert all(f.envelope.message.endswith(b"[%d]}" % f.seq) for f in frames)
    assert [f.seq for f in frames] == [5, 6, 7]
    assert [f.seq for f in await bench.store.read_frames("a", after=5, limit=1)] == [6]
    newest = await bench.store.read_frames("a", after=5, limit=1, newest=True)
    assert [f.seq for f in newest] == [7]
    assert await bench.store.read_frames("a", after=7) == []


async def test_copying_a_log_that_keeps_changing_is_abandoned(bench: Bench) -> None:
    """Not for ever: the frames cannot be numbered, and that is told."""
    await bench.create("a")
    await bench.store.add_frame(bench.note())
    reads = 0

    async def drop() -> None:
        nonlocal reads
        reads += 1
        await bench.elsewhere.add_frame(bench.note())
        await bench.elsewhere.trim_frames("a", up_to=reads)

    everlasting: Any = 1_000
    bench.once("get_frames", drop, times=everlasting)
    with pytest.raises(StoreUnavailable):
        await bench.store.read_frames("a")
    assert reads == 16


async def test_a_watcher_gets_an_error_when_the_log_is_replaced() -> None:
    """A third party's store that came back as it was before, and took other frames since."""
    inner = PlainSessionStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await store.add_frame(note("one"))
        tables = inner._tables
        shared = [tables.clock, tables.limits, tables._notify, tables._listeners]
        shared += [row.session for row in tables.rows()]
        before = deepcopy(tables, {id(each): each for each in shared})
        await store.add_frame(note("lost2"))
        async with store.watch_frames("a") as watcher, asyncio.timeout(300):
            assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
            inner._tables = before
            for label in ("kept2", "kept3"):
                await store.add_frame(note(label))
            with pytest.raises(LogReplaced):
                await anext(watcher)


def note(label: str) -> MessageEnvelope:
    """A notification that can be told from others."""
    message = {"jsonrpc": "2.0", "method": label}
    return MessageEnvelope.of("a", message, direction="client-to-server")
