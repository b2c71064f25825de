"""How much of a thread is read to find a checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from sessionkeeper import AtomicSessionStore, Frame, SessionNotFound
from sessionkeeper.integrations.langgraph import SessionSaver
from sessionkeeper.integrations.langgraph.threads import thread_session_id

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
    # One of them finds out what is above all, now and then; not each for itself.
    assert counting.frames <= 10 * len(names)
    for saver in (savers[0], SessionSaver(counting)):
        counting.frames = 0
        assert (await read(saver)).checkpoint["id"] == "1279"
        assert counting.frames <= 1_400
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


async def test_what_is_said_of_another_log_is_not_believed(store: AtomicSessionStore) -> None:
    """A log that was exported and imported has its frames in another incarnation."""
    saver = SessionSaver(store)
    await put_all(saver, [f"1{n:02}" for n in range(20)])
    await put(saver, "9", to=at("imported"))
    target = thread_session_id("imported")
    for frame in await store.read_frames(thread_session_id("t")):
        context = frame.envelope.context.model_copy(update={"session_id": target})
        await store.add_frame(frame.envelope.model_copy(update={"context": context}))
    for each in (saver, SessionSaver(store)):
        assert (await ids(each, at("imported")))[:2] == ["9", "119"]


class Interrupting(Counting):
    """A store in which something happens after entries were read, once."""

    event: Callable[[], Awaitable[object]] | None = None

    async def read_frames(self, session_id: str, /, **which: Any) -> list[Frame]:
        found = await super().read_frames(session_id, **which)
        if str(which["stream"]).startswith("entries/") and self.event is not None:
            event, self.event = self.event, None
            await event()
        return found


async def interrupted(
    store: AtomicSessionStore, event: Callable[[], Awaitable[object]], *, knows: bool
) -> CheckpointTuple | None:
    """Read the latest while something happens; the saver may know the thread already."""
    reader: Any = Interrupting(store)
    saver = SessionSaver(reader)
    if knows:
        await read(saver)
    reader.event = event
    return await saver.aget_tuple(at())


knowing = pytest.mark.parametrize("knows", [False, True])


@knowing
async def test_the_latest_is_shown_as_it_was_at_one_moment(
    store: AtomicSessionStore, knows: bool
) -> None:
    other = SessionSaver(store)
    place = await put(other, "1")

    async def go_on() -> None:
        await put(other, "2", to=place)
        await other.aput_writes(place, [("a", 1)], "task")

    found = await interrupted(store, go_on, knows=knows)
    assert found is not None
    # 1 with the write would be a thread whose latest is 1 while 2 is there already.
    assert (found.checkpoint["id"], found.pending_writes) in (("1", []), ("2", []))


@knowing
async def test_writes_that_came_before_the_call_are_shown(
    store: AtomicSessionStore, knows: bool
) -> None:
    other = SessionSaver(store)
    place = await put(other, "1")
    await other.aput_writes(place, [("a", 1)], "task")

    async def go_on() -> None:
        await put(other, "2", to=place)

    found = await interrupted(store, go_on, knows=knows)
    assert found is not None
    shown = found.checkpoint["id"], found.pending_writes
    assert shown in (("1", [("task", "a", 1)]), ("2", []))


@knowing
async def test_a_latest_that_is_removed_meanwhile_is_looked_for_again(
    store: AtomicSessionStore, knows: bool
) -> None:
    other = SessionSaver(store)
    await put_all(other, ["1", "2"])

    async def go_on() -> None:
        await put(other, "3")
        await other.aprune(["t"])

    found = await interrupted(store, go_on, knows=knows)
    assert found is not None
    assert found.checkpoint["id"] == "3"


@knowing
async def test_a_thread_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one(
    store: AtomicSessionStore, knows: bool
) -> None:
    other = SessionSaver(store)
    await put_all(other, ["1", "2"])

    async def go_on() -> None:
        await other.adelete_thread("t")
        await put_all(other, ["2", "3"])

    found = await interrupted(store, go_on, knows=knows)
    # There was no thread for a moment; then the latest was 2, then 3.
    assert found is None or found.checkpoint["id"] == "3"


@pytest.mark.parametrize("all_threads", [True, False])
async def test_of_all_threads_one_that_is_deleted_meanwhile_stops_no_list(
    store: AtomicSessionStore, all_threads: bool
) -> None:
    """Where one thread is asked for, it is said that it is gone."""
    saver = SessionSaver(store)
    for thread_id in "tuv":
        await put(saver, "1", to=at(thread_id))
        await put(saver, "2", to=at(thread_id))
    seen: list[str] = []

    async def walk() -> None:
        config = None if all_threads else at("u")
        async with aclosing(SessionSaver(store).alist(config)) as found:
            async for each in found:
                seen.append(each.config["configurable"]["thread_id"])
                if seen[-1] == "u":
                    await saver.adelete_thread("u")

    if all_threads:
        await walk()
        assert sorted(seen) == ["t", "t", "u", "v", "v"]
    else:
        with pytest.raises(SessionNotFound):
            await walk()
        assert seen == ["u"]
