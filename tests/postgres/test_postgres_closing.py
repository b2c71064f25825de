"""A store that is closed at once waits for nobody, and says what became of its last batch."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from postgres_proxy import PostgresProxy
from postgres_trials import BEGIN, through
from redis_operations import note, session
from sessionkeeper import AtomicSessionStore, StoreClosed
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionkeeper.values.clock import Clock
from soleowner import thread_runner

PATIENCE = 600.0
"""What must not wait so long does not end before the test is ended."""


@pytest.fixture(autouse=True)
def _no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that heeds no interrupt is waited for, so that the test does not end."""
    monkeypatch.setattr(thread_runner, "_HURRY", 3600.0)
    defaults = thread_runner.ThreadRunner.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "grace", 3600.0)


async def _append(store: AtomicSessionStore) -> object:
    return await store.add_frame(note(1))


async def _append_much(store: AtomicSessionStore) -> object:
    """More than the system takes from a client before anybody reads it."""
    large = {"jsonrpc": "2.0", "method": "x", "params": {"x": "x" * 1_000_000}}
    frame = note(1).model_copy(update={"message": json.dumps(large).encode()})
    return await store.add_frames("a", [frame] * 30)


@pytest.mark.parametrize(("write", "after"), [(_append, 0), (_append_much, 10_000)])
async def test_a_silent_server_is_not_waited_for(
    write: Callable[[AtomicSessionStore], Awaitable[object]],
    after: int,
    postgres_proxy: PostgresProxy,
    postgres_url: str,
) -> None:
    """Neither for an answer nor for a rollback; what was not committed had no effect."""
    store = PostgresSessionStore(through(postgres_proxy, postgres_url), patience=PATIENCE)
    await store.open()
    await store.create_session(session("a"))
    await store.add_frame(note(0))
    held = postgres_proxy.stall_request(after, BEGIN)
    asked = asyncio.ensure_future(write(store))
    await held.reached()
    await asyncio.sleep(0.2)  # until it waits for the answer
    await store.aclose(timeout=0.0)
    with pytest.raises(StoreClosed):
        await asked
    postgres_proxy.clear()
    async with PostgresSessionStore(postgres_url) as store:
        assert await store.count_frames("a") == 1


async def test_a_batch_that_was_not_finished_is_said_to_be_closed(postgres_url: str) -> None:
    """Nobody else is blamed for it, as none had changed its sessions."""
    begun, released = threading.Event(), threading.Event()
    holding = False

    def wall() -> float:
        if holding:
            begun.set()
            assert released.wait(60)
        return time.time()

    store = PostgresSessionStore(postgres_url, patience=PATIENCE, clock=Clock(wall=wall))
    await store.open()
    for each in "ab":
        await store.create_session(session(each))
        await store.add_frame(note(0, each))
    holding = True
    asked = [asyncio.ensure_future(store.add_frame(note(1, each))) for each in "ab"]
    assert await asyncio.to_thread(begun.wait, 60)
    closing = asyncio.ensure_future(store.aclose(timeout=0.0))
    while not store._writer._connection.interrupted:
        await asyncio.sleep(0.001)
    released.set()
    await closing
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in told} == {StoreClosed}, told
    async with PostgresSessionStore(postgres_url) as store:
        assert [await store.count_frames(each) for each in "ab"] == [1, 1]
