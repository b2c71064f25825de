"""Any concurrent calls on stores of a server have the results of a store in memory."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any

import pytest
from redis_operations import note, session
from redis_programs import Snapshots, random_limits, random_operation
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer
from redis_twins import Call, Memory, Operation, Time, Twins
from sessionkeeper import OutcomeUnknown, RedisSessionStore, SequenceConflict, StoreLimits
from sessionkeeper.backends.redis.plans import optimistic_change

STORES, STEPS, PROGRAMS = 3, 15, 12
SCRIPT = "EVALSHA"


async def program(server: RedisServer, prefix: str, seed: int) -> None:
    """Let stores do random operations, some at once, while somebody cuts and fences them."""
    dice, time = Random(seed), Time()
    limits = random_limits(dice)
    options: dict[str, Any] = {"prefix": f"{prefix[:-1]}-{seed}", "limits": limits}
    options |= {"clock": time.clock(), "capacity": dice.choice((2, 1024))}
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxied(server.port))
        stores = [RedisSessionStore(proxy.url, patience=20.0, **options) for _ in range(STORES)]
        looker = RedisSessionStore(server.url, **options)
        for store in (*stores, looker):
            await stack.enter_async_context(store)
        twins = Twins(stores, looker, Memory.empty(limits, time))
        snapshots: Snapshots = {}
        for _ in range(STEPS):
            hot = dice.random() < 0.5
            at_once = dice.choice((2, 3, 4, 5) if hot else (1, 1, 2, 3))
            operations = [random_operation(dice, snapshots, hot=hot) for _ in range(at_once)]
            await twins.do(operations, dice, disturb(dice, proxy, stores, looker))
            proxy.requests.clear()
            proxy.replies.clear()
            for each in twins.memory.sessions():
                snapshots.setdefault(each.id, []).append(each)
            time.milliseconds += dice.choice((0, 1, 1, 3, 10, 60))


async def disturb(
    dice: Random, proxy: FaultProxy, stores: list[RedisSessionStore], looker: RedisSessionStore
) -> None:
    """Nothing, mostly; or a reply or a request is cut, or all writers need new epochs."""
    kind, at, skip = dice.randrange(8), dice.choice((0, 5, None)), dice.randrange(3)
    if kind == 0:
        proxy.replies.cut(SCRIPT, at=at, skip=skip)
    elif kind == 1:
        proxy.requests.cut(SCRIPT, at=at, skip=skip)
    elif kind == 2:
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        for store in stores:
            with suppress(OutcomeUnknown):  # or not to know: the epoch is over all the same
                await looker.resolve(f"{store._runner.resources.writer_log.writer}.2048.0.1")


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.long)])
async def test_stores_on_a_server_do_what_memory_does(
    part: int, server: RedisServer, key_prefix: str
) -> None:
    """Some order of the calls explains the answers, errors, events and the content."""
    seeds = range(part * PROGRAMS, (part + 1) * PROGRAMS)
    await asyncio.gather(*(program(server, key_prefix, seed) for seed in seeds))


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
@pytest.mark.parametrize("bits", [63, 64, 20_000])
async def test_a_number_of_any_size_is_as_in_memory(
    bits: int, server: RedisServer, key_prefix: str
) -> None:
    """Scripts count exactly to 2⁵³, Redis to 2⁶³, and hiredis dies of one of 4,301 digits."""
    number = 2**bits - 1
    calls: list[Call] = [
        lambda store: store.create_session(session("a")),
        lambda store: store.add_frames("a", [note(1), note(2)]),
        lambda store: store.read_frames("a", limit=number),
        lambda store: store.read_frames("a", after=number),
        lambda store: store.expire_sessions(age=1e9, limit=number),
        lambda store: store.purge_sessions(ended_for=1e9, limit=number),
        lambda store: store.remove_frames("a", [1, number]),
        lambda store: store.remove_frames("a", [1]),
        lambda store: store.trim_frames("a", up_to=number),
    ]
    limits, time = StoreLimits(), Time()
    memory = Memory.empty(limits, time)
    async with RedisSessionStore(server.url, prefix=key_prefix[:-1], clock=time.clock()) as store:
        for call in calls:
            operation = Operation("", call)
            told, memory = memory.after(operation)
            assert await operation.on(store) == told
        with pytest.raises(SequenceConflict):
            await store.add_frames("a", [note(3)], expected_last_seq=number)


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
async def test_a_store_that_trusts_a_predicted_revision_differs_from_memory(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: so a session is changed that the function never saw."""
    monkeypatch.setattr(optimistic_change, "digest_session", lambda session: "")
    monkeypatch.setattr(optimistic_change, "digest_row", lambda row: "")

    async def one_after_the_other() -> None:
        for seed in range(200):
            await program(server, key_prefix, seed)

    with pytest.raises(AssertionError, match="no order explains"):
        await one_after_the_other()
