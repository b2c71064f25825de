"""How much of a thread is read to find a checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from sessionkeeper import AtomicSessionStore, Frame
from sessionkeeper.integrations.langgraph import SessionSaver

from .checkpoints import at, ids, put, put_all


class Counting:
    """A store that counts the frames it gives."""

    def __init__(self, store: AtomicSessionStore) -> None:
        self._store = store
        self.frames = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read_frames(self, session_id: str, /, **which: Any) -> list[Frame]:
        found = await self._store.read_frames(session_id, **which)
        self.frames += len(found)
        return found


@pytest.fixture
def counting(store: AtomicSessionStore) -> Any:
    return Counting(store)


async def read(saver: SessionSaver, checkpoint_id: str | None = None) -> CheckpointTuple:
    found = await saver.aget_tuple(at(checkpoint_id=checkpoint_id))
    assert found is not None
    return found


async def test_reading_the_latest_does_not_depend_on_the_length_of_the_thread(
    counting: Any,
) -> None:
    saver = SessionSaver(counting)
    for n in range(400):
        place = await put(saver, f"{n:03}")
        await saver.aput_writes(place, [("a", n)], "task")
    counting.frames = 0
    assert (await read(saver)).checkpoint["id"] == "399"
    assert counting.frames <= 8
    counting.frames = 0
    assert (await read(SessionSaver(counting))).checkpoint["id"] == "399"
    assert counting.frames <= 8
    counting.frames = 0
    assert (await read(saver, "007")).pending_writes == [("task", "a", 7)]
    assert counting.frames == 2


async def test_a_page_of_a_list_does_not_read_the_rest(counting: Any) -> None:
    saver = SessionSaver(counting)
    await put_all(saver, [f"{n:03}" for n in range(400)])
    counting.frames = 0
    found = [each.checkpoint["id"] async for each in saver.alist(at(), limit=3)]
    assert found == ["399", "398", "397"]
    assert counting.frames <= 40


async def test_it_holds_where_many_write_at_once_and_out_of_order(counting: Any) -> None:
    savers = [SessionSaver(counting) for _ in range(2)]
    names = [f"{n:04}" for n in range(1_280)]

    async def one(task: int) -> None:
        for name in names[task::64]:
            await put(savers[task % 2], name)

    await asyncio.gather(*(one(task) for task in range(64)))
    for saver in (savers[0], SessionSaver(counting)):
        counting.frames = 0
        assert (await read(saver)).checkpoint["id"] == "1279"
        assert counting.frames <= 700
    assert await ids(savers[1]) == names[::-1]
    # Whoever puts next knows it, and says so.
    await put(savers[0], "1280")
    counting.frames = 0
    assert (await read(SessionSaver(counting))).checkpoint["id"] == "1280"
    assert counting.frames <= 200


async def test_putting_reads_nothing_once_the_thread_is_known(counting: Any) -> None:
    saver = SessionSaver(counting)
    await put(saver, "000")
    counting.frames = 0
    await put_all(saver, [f"{n:03}" for n in range(1, 200)])
    assert counting.frames == 0


class Interrupting(Counting):
    """A store in which something happens after the entries were read, once."""

    def __init__(self, store: AtomicSessionStore, event: Callable[[], Awaitable[object]]) -> None:
        super().__init__(store)
        self._event: Callable[[], Awaitable[object]] | None = event

    async def read_frames(self, session_id: str, /, **which: Any) -> list[Frame]:
        found = await super().read_frames(session_id, **which)
        if str(which["stream"]).startswith("entries/") and self._event is not None:
            event, self._event = self._event, None
            await event()
        return found


async def test_the_latest_is_shown_as_it_was_at_one_moment(store: AtomicSessionStore) -> None:
    other = SessionSaver(store)
    place = await put(other, "1")

    async def go_on() -> None:
        await put(other, "2", to=place)
        await other.aput_writes(place, [("a", 1)], "task")

    reader: Any = Interrupting(store, go_on)
    found = await read(SessionSaver(reader))
    # With the write it would be a thread whose latest is 1 while 2 is there already.
    assert (found.checkpoint["id"], found.pending_writes) == ("1", [])


async def test_a_latest_that_is_removed_meanwhile_is_looked_for_again(
    store: AtomicSessionStore,
) -> None:
    other = SessionSaver(store)
    await put_all(other, ["1", "2"])

    async def go_on() -> None:
        await put(other, "3")
        await other.aprune(["t"])

    reader: Any = Interrupting(store, go_on)
    assert (await read(SessionSaver(reader))).checkpoint["id"] == "3"


async def test_a_thread_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one(
    store: AtomicSessionStore,
) -> None:
    other = SessionSaver(store)
    await put_all(other, ["1", "2"])

    async def go_on() -> None:
        await other.adelete_thread("t")
        await put_all(other, ["2", "3"])

    reader: Any = Interrupting(store, go_on)
    # None was the answer when the thread was deleted.
    assert await SessionSaver(reader).aget_tuple(at()) is None
