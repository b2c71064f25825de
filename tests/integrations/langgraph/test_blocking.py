"""The synchronous methods: from threads, beside the loop of the store, and without a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from sessionkeeper import AtomicSessionStore, SQLiteSessionStore, StoreClosed
from sessionkeeper.integrations.langgraph import SessionSaver
from soleowner import WouldBlock

from .checkpoints import at, checkpoint, ids, put

METADATA = CheckpointMetadata(source="loop", step=1, parents={}, run_id="run")


def use_every_method(saver: SessionSaver) -> None:
    """Call each of them, and check what it does."""
    place = saver.put(at("t"), checkpoint("1", a=1), METADATA, {})
    saver.put_writes(place, [("a", 1)], "task", "~path")
    found = saver.get_tuple(at("t"))
    assert found is not None
    assert (found.checkpoint["id"], found.pending_writes) == ("1", [("task", "a", 1)])
    assert saver.get(place) == found.checkpoint
    child = saver.put(place, checkpoint("2"), METADATA, {})
    listed = saver.list(at("t"))
    assert next(listed).parent_config == place
    assert [each.checkpoint["id"] for each in listed] == ["1"]
    assert [each.checkpoint["id"] for each in saver.list(None, limit=1)] == ["2"]
    history = saver.get_delta_channel_history(config=child, channels=["a"])
    assert history == {"a": {"writes": [("task", "a", 1)], "seed": 1}}
    saver.copy_thread("t", "copy")
    saver.prune(["t"])
    assert [each.checkpoint["id"] for each in saver.list(at("t"))] == ["2"]
    saver.delete_thread("t")
    assert saver.get_tuple(at("t")) is None
    assert len(list(saver.list(at("copy")))) == 2
    saver.delete_for_runs(["run"])
    assert list(saver.list(at("copy"))) == []


async def test_they_work_in_threads_beside_the_loop(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    await asyncio.to_thread(use_every_method, saver)
    assert await ids(saver) == []


async def test_threads_and_tasks_lose_nothing_on_one_thread(store: AtomicSessionStore) -> None:
    saver, names = SessionSaver(store), [f"{n:03}" for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        loop = asyncio.get_running_loop()
        in_threads = [
            loop.run_in_executor(pool, saver.put, at(), checkpoint(name), METADATA, {})
            for name in names[::2]
        ]
        await asyncio.gather(*in_threads, *(put(saver, name) for name in names[1::2]))
    assert await ids(saver) == names[::-1]


async def test_on_the_loop_itself_they_refuse(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    place = await put(saver, "1")
    calls: list[Callable[[], Any]] = [
        lambda: saver.get_tuple(at()),
        lambda: list(saver.list(at())),
        lambda: saver.put(at(), checkpoint("2"), METADATA, {}),
        lambda: saver.put_writes(place, [("a", 1)], "task"),
        lambda: saver.delete_thread("t"),
    ]
    for call in calls:
        with pytest.raises(WouldBlock):
            call()
    assert await ids(saver) == ["1"]


def test_they_work_without_a_loop(store_url: str) -> None:
    with SessionSaver.from_url(store_url) as saver:
        use_every_method(saver)

        async def from_a_loop() -> list[str]:
            await put(saver, "7")
            return await ids(saver)

        assert asyncio.run(from_a_loop()) == ["7"]
    with pytest.raises(StoreClosed):
        saver.get_tuple(at())


async def test_a_url_is_opened_on_the_running_loop_and_closed(shared_url: str) -> None:
    async with SessionSaver.from_url(shared_url) as saver:
        await put(saver, "1")
    with pytest.raises(StoreClosed):
        await put(saver, "2")
    async with SessionSaver.from_url(shared_url, principal="alice") as saver:
        assert await ids(saver) == []
    async with SessionSaver.from_url(shared_url) as saver:
        assert await ids(saver) == ["1"]


async def test_a_url_opens_one_store_at_a_time(shared_url: str) -> None:
    """A second one would be closed in place of the first, which would stay open."""
    opened = SessionSaver.from_url(shared_url)
    for _ in range(2):
        async with opened as saver:
            with pytest.raises(RuntimeError, match="runs already"):
                await opened.__aenter__()
            with pytest.raises(RuntimeError, match="runs already"):
                opened.__enter__()
        with pytest.raises(StoreClosed):
            await put(saver, "1")
    with opened as saver, pytest.raises(RuntimeError, match="runs already"):
        opened.__enter__()
    with pytest.raises(StoreClosed):
        await put(saver, "1")


async def test_a_saver_that_cannot_be_made_leaves_no_store_open(sqlite_url: str) -> None:
    wrong: Any = JsonPlusSerializer(pickle_fallback=True)
    with pytest.raises(ValueError, match="pickle_fallback"):
        async with SessionSaver.from_url(sqlite_url, serde=wrong):
            pass
    with (
        pytest.raises(ValueError, match="pickle_fallback"),
        SessionSaver.from_url(sqlite_url, serde=wrong),
    ):
        pass
    async with SQLiteSessionStore(sqlite_url.removeprefix("sqlite:///")) as store:
        assert await store.count_sessions() == 0
