"""One order of all operations explains what the clients of one server saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest
from redis_fleet import Fleet
from redis_operations import add_up
from redis_processes import redis_workers
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer
from redis_worker import one_thing, recording
from sessionkeeper import RedisSessionStore
from sessionlab import Operation, RecordingStore, SessionStoreModel, Verdict, check, read_history

WORKERS = 3
CLIENTS = 8
ROUNDS = 30
TRIES = 20

only_redis = pytest.mark.parametrize("engine", ["redis"], indirect=True)
Trouble = Callable[[RedisServer, FaultProxy], Awaitable[object]]


async def busy(store: RecordingStore, disturb: Callable[[], Awaitable[object]]) -> None:
    """Let clients do this and that; some are cancelled, and trouble comes when half is done."""
    done = 0
    half = asyncio.Event()

    async def client(number: int) -> None:
        nonlocal done
        dice = Random(number)
        for n in range(ROUNDS):
            task = asyncio.ensure_future(one_thing(store, dice, f"{number}-{n}"))
            if dice.random() < 0.05:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait({task})
            assert task.cancelled() or task.exception() is None
            done += 1
            if done >= CLIENTS * ROUNDS // 2:
                half.set()

    async def makes_trouble() -> None:
        await half.wait()
        await disturb()

    await asyncio.gather(makes_trouble(), *map(client, range(CLIENTS)))


def judged(store: RecordingStore) -> None:
    """See that one order explains all that was answered."""
    operations = store.history().operations
    assert len(operations) > CLIENTS * ROUNDS // 2
    result = check(store.history(), SessionStoreModel(), timeout=600)
    assert result.verdict is Verdict.OK, result


async def nothing(server: RedisServer, proxy: FaultProxy) -> None:
    """All is well."""


async def cut_at_random(server: RedisServer, proxy: FaultProxy) -> None:
    """The connection ends at any byte of requests and replies, again and again."""
    dice = Random(11)
    for _ in range(20):
        way = dice.choice((proxy.requests, proxy.replies))
        fault = way.cut(at=dice.randrange(60), skip=dice.randrange(6), reset=dice.random() < 0.5)
        try:
            async with asyncio.timeout(0.05):
                await fault.reached()
        except TimeoutError:
            way.lift(fault)  # there was not enough to do any more


async def scripts_are_forgotten(server: RedisServer, proxy: FaultProxy) -> None:
    """SCRIPT FLUSH."""
    for _ in range(5):
        await asyncio.to_thread(server.say, "SCRIPT", "FLUSH")


async def clients_are_killed(server: RedisServer, proxy: FaultProxy) -> None:
    """CLIENT KILL, as an administrator does it."""
    for _ in range(5):
        await asyncio.to_thread(server.say, "CLIENT", "KILL", "TYPE", "normal")


async def clients_are_paused(server: RedisServer, proxy: FaultProxy) -> None:
    """CLIENT PAUSE, longer than silence is borne."""
    await asyncio.to_thread(server.pause, 2_000)


async def killed_and_restarted(server: RedisServer, proxy: FaultProxy) -> None:
    """It synced every write."""
    await asyncio.to_thread(server.restart)


TROUBLES: dict[str, Trouble] = {
    each.__name__.replace("_", " "): each
    for each in (
        nothing,
        cut_at_random,
        scripts_are_forgotten,
        clients_are_killed,
        clients_are_paused,
        killed_and_restarted,
    )
}


@only_redis
@pytest.mark.parametrize("name", TROUBLES)
async def test_eight_clients_of_one_store(name: str, fleet: Fleet) -> None:
    """Batches of callers, some cancelled, and trouble with the server: still one order."""
    server = fleet.start(appendonly="yes", appendfsync="always")
    async with proxied(server.port) as proxy:
        url = f"{proxy.url}?socket_timeout=1.0"
        store = recording(RedisSessionStore(url, patience=20.0))
        async with store:
            await busy(store, lambda: TROUBLES[name](server, proxy))
            proxy.requests.clear()
            proxy.replies.clear()
        async with RedisSessionStore(server.url) as after:
            await add_up(after)
    judged(store)


@only_redis
async def test_a_replica_takes_over_with_all_that_was_waited_for(fleet: Fleet) -> None:
    """`wait_replicas=1`: everything that was acknowledged or read still exists."""
    primary = fleet.start()
    replica = fleet.start_replica(primary)
    async with proxied(primary.port) as proxy:
        store = recording(RedisSessionStore(proxy.url, patience=20.0, wait_replicas=1))

        async def failover() -> None:
            # What is on the primary alone is read by nobody from now on.
            await asyncio.to_thread(primary.freeze)
            proxy.server_port = replica.port
            await asyncio.to_thread(replica.say, "REPLICAOF", "NO", "ONE")
            follower = fleet.start_replica(replica)
            assert follower.running
            await proxy.cut()

        async with store:
            await busy(store, failover)
        async with RedisSessionStore(replica.url) as after:
            await add_up(after)
        await asyncio.to_thread(primary.thaw)
    judged(store)


@only_redis
@pytest.mark.parametrize("how", ["emptied", "restarted without its data"])
async def test_a_server_that_lost_everything_starts_empty(how: str, fleet: Fleet) -> None:
    """Nothing is half done afterwards; unfinished calls get a true or an unknown outcome."""
    server = fleet.start()

    async def lose() -> None:
        if how == "emptied":
            await asyncio.to_thread(server.say, "FLUSHALL")
        else:
            await asyncio.to_thread(server.restart, keep_data=False)

    store = recording(RedisSessionStore(server.url, patience=20.0))
    async with store:
        await busy(store, lose)
    async with RedisSessionStore(server.url) as after:
        await add_up(after)


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
async def test_clients_of_three_processes_are_one_history(
    server: RedisServer, key_prefix: str, tmp_path: Path
) -> None:
    """Each process notes the machine's clock at call and return: together they are linearizable."""
    files = [tmp_path / f"history-{n}" for n in range(WORKERS)]
    for turn in range(TRIES):
        prefix = f"{key_prefix[:-1]}-{turn}"
        processes = redis_workers()
        try:
            workers = [
                processes.start("record", server.url, prefix, path, f"w{n}", ROUNDS)
                for n, path in enumerate(files)
            ]
            for worker in workers:
                await asyncio.to_thread(processes.hear, worker, "ready")
            for worker in workers:
                processes.tell(worker)
            for worker in workers:
                await asyncio.to_thread(processes.hear, worker, "done")
        finally:
            processes.close()
        operations = [
            msgspec.structs.replace(each, client=100 * n + each.client)
            for n, path in enumerate(files)
            for each in read_history(path).operations
        ]
        operations.sort(key=lambda each: each.call)
        assert len(operations) == WORKERS * 2 * ROUNDS
        assert check(operations, SessionStoreModel(), timeout=600).verdict is Verdict.OK
        if _turns(operations) > WORKERS:
            return
    pytest.fail("the processes never worked side by side")


def _turns(operations: list[Operation]) -> int:
    """How often another process than before begins."""
    return sum(one.client // 100 != other.client // 100 for one, other in pairwise(operations))
