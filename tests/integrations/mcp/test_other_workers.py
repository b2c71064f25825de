"""Whether the worker of a call still runs, as another worker finds out."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Session,
    SessionClosed,
    SessionState,
    StoreUnavailable,
)
from sessionkeeper.integrations.mcp.workers import Workers
from sessionkeeper.leases import own_lease
from sessionkeeper.values.lease import with_lease


@pytest.fixture
async def here(store: AtomicSessionStore) -> AsyncIterator[Workers]:
    """This worker."""
    workers = Workers(store, idle=None)
    await workers.start()
    yield workers
    await workers.stop()


async def test_an_owner_runs_until_its_block_ends(here: Workers) -> None:
    with here.owner() as owner:
        assert await here.is_running(owner)
    assert not await here.is_running(owner)
    assert not await here.is_running("")
    assert not await here.is_running("unknown.1")


async def test_the_owner_of_another_worker_runs_until_that_stops(
    store: AtomicSessionStore, here: Workers
) -> None:
    there = Workers(store, idle=None)
    await there.start()
    with there.owner() as owner:
        assert await here.is_running(owner)
        waiting = asyncio.create_task(here.wait_until_gone(owner))
        await there.stop()
    await waiting


async def test_a_process_that_is_gone_is_noticed_at_once(
    store: AtomicSessionStore, here: Workers
) -> None:
    code = "from sessionkeeper.leases import own_lease; print(own_lease().model_dump_json())"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, check=True)
    lease = type(own_lease()).model_validate_json(done.stdout)
    await store.create_session(with_lease(worker_session(), lease))
    assert not await here.is_running("mcp-worker-there.1")


async def test_a_worker_elsewhere_runs_while_it_gives_signs() -> None:
    now = datetime.now(UTC)

    class Elsewhere(ActorSessionStore):
        """A store whose other worker was active that number of seconds ago."""

        ago = 0.0

        async def get_session(self, session_id: str, /) -> Session:
            session = await super().get_session(session_id)
            ago = self.ago if session_id == "mcp-worker-there" else 0.0
            return session.model_copy(update={"last_activity": now - timedelta(seconds=ago)})

    async with Elsewhere() as store:
        here = Workers(store, idle=None)
        await here.start()
        lease = own_lease().model_copy(update={"namespace": "of another host"})
        await store.create_session(with_lease(worker_session(), lease))
        for store.ago, runs in ((0.0, True), (29.0, True), (31.0, False)):
            assert await here.is_running("mcp-worker-there.1") is runs


async def test_the_sign_of_a_worker_comes_back_when_somebody_took_it(
    store: AtomicSessionStore,
) -> None:
    here, there = Workers(store, idle=None), Workers(store, idle=0.06)
    await here.start()
    await there.start()
    serving = asyncio.create_task(there.serve())
    with there.owner() as owner:
        worker_id = owner.rpartition(".")[0]
        for way in ("deleted", "ended"):
            if way == "deleted":
                await store.delete_session(worker_id)
            else:
                await store.modify_session(worker_id, end)
            while not await here.is_running(owner) or await has_ended(store, worker_id):
                await asyncio.sleep(0.01)
    serving.cancel()
    await asyncio.wait({serving})


async def test_calls_are_settled_once_the_store_is_back() -> None:
    asked = []

    class Calls:
        async def answer_own(self) -> None:
            asked.append(self)
            if len(asked) < 3:
                raise StoreUnavailable("away")
            if len(asked) == 4:
                raise SessionClosed("s", SessionState.CLOSED)

    async with ActorSessionStore() as store:
        here = Workers(store, idle=0.03)
        await here.start()
        await here.settle(Calls())
        serving = asyncio.create_task(here.serve())
        while len(asked) < 3:
            await asyncio.sleep(0.01)
        await here.settle(Calls())  # its session has ended: there is nothing to tell
        while len(asked) < 4:
            await asyncio.sleep(0.01)
        for _ in range(5):
            await asyncio.sleep(here.beat)
        assert len(asked) == 4
        serving.cancel()
        await asyncio.wait({serving})


def worker_session() -> Session:
    """The session of another worker."""
    return Session.new(id="mcp-worker-there", transport_type="in-process", state="active")


def end(session: Session) -> Session:
    """End a session."""
    return session.model_copy(update={"state": SessionState.TIMED_OUT})


async def has_ended(store: AtomicSessionStore, session_id: str) -> bool:
    """Whether it has ended in the store."""
    return (await store.get_session(session_id)).state.is_terminal
