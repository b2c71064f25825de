"""Functions sent to one session by several processes at once: each change is there, once.

And many of one process are few questions, whatever came between.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_operations import counted, note, session
from redis_server import RedisServer
from sessionkeeper import FramesFull, RedisSessionStore, Session, StoreLimits, lease_of
from sessionkeeper.backends.redis.delivery.writer_log import WriterLog
from sessionkeeper.backends.redis.plans import optimistic_change
from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.leases import own_lease
from sessionkeeper.values.lease import with_lease

from tests.support.sessions import FakeClock

pytestmark = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
TIMES = 20
CALLERS = (1, 3, 12)
"""Of each store: its change has the revision that another predicted for its second change."""


async def race(server: RedisServer, prefix: str) -> dict[str, Any]:
    """Let the callers of several stores count, each under a name of its own, in one session."""
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(RedisSessionStore(server.url, prefix=prefix))
            for _ in CALLERS
        ]
        await stores[0].create_session(Session.new(transport_type="stdio", id="hot"))

        async def count(store: RedisSessionStore, name: str) -> None:
            def one_more(session: Session) -> Session:
                seen = session.metadata.get(name, 0)
                assert isinstance(seen, int)
                counted = {**session.metadata, name: seen + 1}
                return session.model_copy(update={"metadata": counted})

            for _ in range(TIMES):
                await store.modify_session("hot", one_more)

        await asyncio.gather(
            *(count(stores[s], f"{s}.{c}") for s, n in enumerate(CALLERS) for c in range(n))
        )
        return dict((await stores[0].get_session("hot")).metadata)


RIGHT = {f"{s}.{c}": TIMES for s, n in enumerate(CALLERS) for c in range(n)}


async def test_no_change_is_lost_and_none_comes_twice(server: RedisServer, key_prefix: str) -> None:
    """A prediction is not taken for another process's change that got its revision."""
    assert await race(server, key_prefix.rstrip(":")) == RIGHT


async def test_a_prediction_of_the_revision_alone_is_detected(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without the digest, a refused change stays.

    The order of calls is switched off, too: it would refuse the changes that depend on it.
    """
    monkeypatch.setattr(optimistic_change, "digest_session", lambda session: "")
    monkeypatch.setattr(WriterLog, "_predecessor", lambda writer_log, request: "")
    for n in range(20):
        if await race(server, f"{key_prefix.rstrip(':')}-{n}") != RIGHT:
            return
    pytest.fail("twenty races, and none of them shows it")


async def test_changes_sent_together_are_few_questions_whatever_came_between(fleet: Fleet) -> None:
    """Another's change, a full log, lost data: each costs a round or two, not one a change."""
    server = fleet.start()
    full = StoreLimits(max_frames_per_session=5, frames_full=FramesFull.DROP_OLDEST)
    together = 32
    async with (
        RedisSessionStore(server.url, limits=full) as store,
        RedisSessionStore(server.url, limits=full) as other,
    ):

        async def count_calls(change: Change, *, append: bool) -> int:
            before = ran(server)
            if append:
                calls = [store.add_frames("a", [note(n)], change=change) for n in range(together)]
                await asyncio.gather(*calls)
            else:
                await asyncio.gather(*(store.modify_session("a", change) for _ in range(together)))
            return ran(server) - before

        large = session("a", client_info={"of": "x" * 30_000})
        await store.create_session(large)
        assert await count_calls(counted, append=False) <= together + 2
        for append in (False, True):
            await other.modify_session("a", counted)
            assert await count_calls(counted, append=append) <= 3 * together
        assert await count_calls(counted, append=True) <= together + 2
        assert await count_calls(lambda session: session, append=True) <= together
        server.say("FLUSHALL")
        await store.create_session(large)
        assert await count_calls(counted, append=False) <= 3 * together
        assert await count_calls(counted, append=False) <= together + 2
        assert (await store.get_session("a")).metadata["n"] == 2 * together


def ran(server: RedisServer) -> int:
    """How many scripts the server has run."""
    stats: Any = server.say("INFO", "commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_a_heartbeat_is_no_activity(server: RedisServer, key_prefix: str) -> None:
    """Its script leaves the time of the last activity and the order of expiry as they are."""
    clock = FakeClock()
    lease = own_lease()
    later = lease.renewed(lease.seen + timedelta(seconds=8))
    name = key_prefix.rstrip(":")
    async with RedisSessionStore(server.url, prefix=name, clock=clock.as_clock()) as store:
        for id_ in "ab":
            session = with_lease(Session.new(transport_type="stdio", id=id_), lease)
            created = await store.create_session(session)
        clock.advance(8)
        beaten = await store.modify_session("a", lambda each: with_lease(each, later))
        assert beaten == await store.get_session("a")
        assert lease_of(beaten) == later
        assert beaten.last_activity == created.last_activity
        tagged = {"tags": {"x"}}
        await store.modify_session("b", lambda s: with_lease(s, later).model_copy(update=tagged))
        clock.advance(2)
        assert [each.id for each in await store.expire_sessions(idle=10)] == ["a"]
