"""Sessions that come and go leave nothing: no object, no task, no file descriptor."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from sessionkeeper import ManagerConfig
from sessionkeeper.integrations.mcp import SessionEventStore, StoredSessionManager
from sessionkeeper.integrations.mcp.stored_session import StoredSession
from sessionkeeper.integrations.mcp.transport import StoredTransport

from tests.support.waiting import until

from .raw_client import RawClient, read_all, said
from .servers import app_of, serving
from .tools import make_server

KINDS = (StoredTransport, StoredSession, SessionEventStore)


async def come_and_go(url: str, number: int) -> None:
    """Open sessions, eight at a time, call, leave and come back, and end them."""

    async def one(http: httpx2.AsyncClient, name: int) -> None:
        client = RawClient(http, url)
        await client.initialize()
        async with client.listening(), client.calling("say", text=f"{name}") as events:
            priming = await anext(events)
        async with client.listening(after=priming.id) as events:
            assert said(await read_all(events)) == [f"{name}"]
        assert (await http.delete(url, headers=client.headers())).status_code == 200

    async with httpx2.AsyncClient(timeout=300) as http:
        for first in range(0, number, 8):
            async with asyncio.TaskGroup() as tasks:
                for name in range(first, min(number, first + 8)):
                    tasks.create_task(one(http, name))


def counted() -> Counter[str]:
    """What there is of each kind now."""
    gc.collect()
    found = Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, KINDS))
    found["tasks"] = len(asyncio.all_tasks())
    found["sockets"] = sum(name.startswith("socket:") for name in descriptors())
    return found


def descriptors() -> list[str]:
    """What the open descriptors of this process are."""
    names = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that reads the folder
            names.append(os.readlink(each))
    return names


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc").exists(), reason="descriptors are counted in /proc")
@pytest.mark.parametrize("number", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_sessions_that_come_and_go_leave_nothing(store_url: str, number: int) -> None:
    config = ManagerConfig(age=None, retention=0.01, sweep_interval=0.05, sweep_batch=1000)
    manager = StoredSessionManager.from_url(make_server(), store_url, config=config)
    async with serving(app_of(manager)) as url:
        await come_and_go(url, 32)
        store = manager.sessions.store

        async def settled() -> Counter[str]:
            while await store.count_sessions() > 1 or manager._server_instances:
                await asyncio.sleep(0.02)
            return counted()

        before = Counter[str]()
        while (now := await settled()) != before or now["StoredTransport"]:
            before = now
            await asyncio.sleep(0.1)  # the server closes its side of the connections
        files, memory = len(descriptors()), resident()
        await come_and_go(url, number)
        for _ in until("as it was before"):
            # Some connections may have been closing still when it was counted before.
            if (after := await settled()) <= before:
                break
            await asyncio.sleep(0.02)
        assert after["StoredTransport"] == after["SessionEventStore"] == 0
        assert len(descriptors()) <= files + 8  # SQLite keeps some open, as many as readers
        assert resident() - memory < 32 * 1024 * 1024
        statistics = await store.statistics()
        assert statistics.frames == 0
