"""Trials that the store passes and that wrong ones fail: each raises `AssertionError` then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any, TypeAlias

import asyncpg
from postgres_clients import Clients, judge, merge, recording
from postgres_proxy import ByteFault, PostgresProxy, proxied
from postgres_server import PostgresServer
from redis_operations import WRITES, Write, add_up, counted, fill, heard, note, picture, session
from sessionkeeper import (
    AtomicSessionStore,
    LimitExceeded,
    OutcomeUnknown,
    StoreClosed,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.postgres.connection import answer_time
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionlab import RecordingStore

__all__ = [
    "BEGIN",
    "COMMIT",
    "FAULTS",
    "Trouble",
    "applied_once",
    "closed_early",
    "deadlocked",
    "filled_up",
    "histories",
    "left_by",
    "moment",
    "nothing",
    "own",
    "set_patience",
    "through",
    "told_the_truth",
    "undisturbed",
]

BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
"""The first bytes of a batch that writes, but for the header of the message."""
COMMIT = b"COMMIT\x00"

Break: TypeAlias = Callable[[PostgresProxy], ByteFault]
Trouble: TypeAlias = Callable[[PostgresServer, PostgresProxy], Awaitable[object]]

FAULTS: dict[str, Break] = {
    "the answer to the commit is cut off": lambda p: p.cut_answer(0, COMMIT),
    "the answer to the commit is cut in two": lambda p: p.cut_answer(7, COMMIT, reset=True),
    "the connection ends after the answer": lambda p: p.cut_answer(18, COMMIT),
    "the commit is cut off": lambda p: p.cut_request(0, COMMIT),
    "the commit is cut in two": lambda p: p.cut_request(3, COMMIT, reset=True),
    "the commit arrives and the connection ends": lambda p: p.cut_request(7, COMMIT),
    "the beginning is cut off": lambda p: p.cut_request(0, BEGIN),
    "the answer to the beginning is cut off": lambda p: p.cut_answer(0, BEGIN),
    "what is written is cut off": lambda p: p.cut_request(500, BEGIN),
    "nothing is answered from the commit on": lambda p: p.stall_answer(0, COMMIT),
}


def own(url: str, name: str) -> str:
    """The schema of a store for one kind of write."""
    return f"{url}_{[*WRITES].index(name)}"


def through(proxy: PostgresProxy, url: str) -> str:
    """The same URL by way of a proxy."""
    query = url.partition("?")[2]
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?{query}"


def set_patience(
    store: PostgresSessionStore, seconds: float, *, silence: float | None = None
) -> None:
    """From now on; with `silence`, half of the seconds for which an answer is waited for.

    A machine that is busy needs more of it to open a store and to go on.
    """
    pair: Any = store._actor
    for storage in (store._writer, pair._reader._runner._storage):
        connection = storage._connection
        connection.patience = seconds
        connection.answer_time = answer_time(seconds if silence is None else silence)


async def undisturbed(url: str, write: Write) -> object:
    """What a write answers and leaves when nothing goes wrong."""
    async with PostgresSessionStore(url) as store:
        await fill(store)
        return _same((*await heard(store, write), await _all(store)))


async def left_by(url: str, write: Write | None, *, cancelled: Random | None = None) -> object:
    """What a write leaves, or nothing; it may be cancelled at a moment by chance."""
    async with PostgresSessionStore(url, patience=60.0) as store:
        await fill(store)
        if write is not None:
            asked = asyncio.ensure_future(write(store))
            if cancelled is not None:
                # Often very soon, as some machines are quick.
                await asyncio.wait({asked}, timeout=cancelled.random() ** 3 / 50)
                asked.cancel()
            await asyncio.wait({asked})
        return _same(await _all(store))


async def applied_once(
    server: PostgresServer,
    url: str,
    name: str,
    break_: Break,
    expected: object,
    *,
    silence: float | None = None,
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> None:
    """Let one fault happen to one write: answers, events and contents are as without it."""
    url = own(url, name)
    async with proxied(server.port) as proxy:
        store = store_type(through(proxy, url), patience=60.0)
        async with store:
            await fill(store)
            set_patience(store, 60.0, silence=silence)
            fault = break_(proxy)
            found = await heard(store, WRITES[name])
            set_patience(store, 60.0)
            assert fault.happened.is_set() or fault.asking, name
            proxy.clear()
            assert _same((*found, await _all(store))) == expected, name


async def told_the_truth(
    server: PostgresServer,
    url: str,
    break_: Break,
    *,
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> str:
    """Let the server be away after a fault until patience is over; return the answer's type."""
    async with (
        proxied(server.port) as proxy,
        PostgresSessionStore(url, patience=60.0) as other,
        store_type(through(proxy, url), patience=60.0) as store,
    ):
        key = f"truth-{proxy.port}"
        await other.create_session(session(key))
        assert await store.add_frame(note(1, key)) == 1
        set_patience(store, 0.3)
        fault = break_(proxy)
        asked = asyncio.ensure_future(store.add_frame(note(2, key)))
        happened = asyncio.ensure_future(fault.reached())
        await asyncio.wait({asked, happened}, return_when=asyncio.FIRST_COMPLETED)
        happened.cancel()
        proxy.refuse()
        (answer,) = await asyncio.gather(asked, return_exceptions=True)
        resolved = None
        if isinstance(answer, OutcomeUnknown):
            # A commit that was sent may be under way; from now on nothing changes any more.
            resolved = await other.resolve(answer.operation_id)
        log = [each.message for each in await other.get_frames(key)]
        assert log in ([note(1).message], [note(1).message, note(2).message])
        is_applied = len(log) == 2
        if isinstance(answer, OutcomeUnknown):
            assert resolved is is_applied
            assert len(await other.get_frames(key)) == len(log)
        elif isinstance(answer, StoreUnavailable):
            assert not is_applied
        else:
            assert answer == 2
            assert is_applied
        proxy.clear()
        await proxy.listen()
        set_patience(store, 60.0)
        assert await store.add_frame(note(3, key)) == len(log) + 1
    return type(answer).__name__


async def histories(
    server: PostgresServer,
    url: str,
    trouble: Trouble,
    *,
    stores: int = 3,
    rounds: int = 25,
    seed: object = "",
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> int:
    """Check what the clients of some stores saw while there was trouble; how much that was."""
    recorders: list[RecordingStore] = []
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxied(server.port))
        for _ in range(stores):
            recorder = recording(store_type(through(proxy, url), patience=120.0))
            recorders.append(await stack.enter_async_context(recorder))
        over = asyncio.Event()
        clients = Clients(*recorders, count=2 * stores, rounds=rounds, until=over)

        async def make_trouble() -> None:
            try:
                await clients.come_to(0.2)
                await trouble(server, proxy)
            finally:
                over.set()

        await asyncio.gather(make_trouble(), clients.run(seed))
        proxy.clear()
    async with PostgresSessionStore(url, patience=120.0) as after:
        await add_up(after)
    operations = merge([recorder.history().operations for recorder in recorders])
    judge(operations)
    return len(operations)


async def moment(dice: Random) -> None:
    """Let the others have some turns, or let the thread and the server work for a while."""
    for _ in range(dice.randrange(4)):
        await asyncio.sleep(0)
    if dice.random() < 0.7:
        await asyncio.sleep(dice.random() / 200)


async def closed_early(
    server: PostgresServer,
    url: str,
    *,
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> set[str]:
    """Close stores with callers at any moment; return the types of what these were told.

    Acknowledged writes exist, those with `StoreClosed` do not, and `resolve` knows the rest.
    """
    told: set[str] = set()
    dice = Random(8)
    async with (
        proxied(server.port) as proxy,
        PostgresSessionStore(url, patience=8.0) as other,
    ):
        set_patience(other, 60.0)
        for n in range(24):
            key = f"s{n}"
            await other.create_session(session(key))
            store = store_type(through(proxy, url), capacity=8, patience=60.0)
            await store.open()
            fault = None
            if n % 3 == 0:
                way = proxy.stall_answer if n % 2 else proxy.stall_request
                fault = way(0, dice.choice((BEGIN, COMMIT, COMMIT)))
            calls = [asyncio.ensure_future(store.add_frame(note(k, key))) for k in range(24)]
            if fault is not None:
                await fault.reached()
            elif n % 3 == 1:
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            else:
                await moment(dice)
            await store.aclose(timeout=0.0)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            applied: list[Any] = []
            for k, answer in enumerate(answers):
                told.add(type(answer).__name__)
                if isinstance(answer, OutcomeUnknown):
                    if await other.resolve(answer.operation_id):
                        applied.append(k)
                elif not isinstance(answer, StoreClosed):
                    assert isinstance(answer, int)
                    applied.append(k)
            proxy.clear()
            log = await other.get_frames(key)
            assert [each.message for each in log] == [note(k).message for k in applied]
        await add_up(other)
    return told


async def nothing(server: PostgresServer, proxy: PostgresProxy) -> None:
    """All is well."""


async def deadlocked(
    server: PostgresServer,
    url: str,
    *,
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> None:
    """Let the server refuse a batch for a deadlock: it is applied, and its caller is told nothing.

    Somebody else has the second of two logs, and asks for the first one.
    """
    schema = url.rpartition("=")[2]
    log = f"UPDATE {schema}.logs SET odd_frames = odd_frames WHERE session = $1"
    async with store_type(url, patience=60.0) as store:
        for key in ("a", "b"):
            await store.create_session(session(key))
        both = [counted(each) for each in await store.get_sessions_batch(["a", "b"])]
        stranger = await asyncpg.connect(server.url)
        try:
            await stranger.execute("BEGIN; SET LOCAL deadlock_timeout = '100s'")
            await stranger.execute(log, 2)
            asked = asyncio.ensure_future(store.update_sessions_batch(both))
            while not await stranger.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.005)
            await stranger.execute(log, 1)
            await stranger.execute("COMMIT")
        finally:
            stranger.terminate()
        (answer,) = await asyncio.gather(asked, return_exceptions=True)
        assert not isinstance(answer, BaseException), answer
        assert [each.metadata for each in answer] == [{"n": 1}, {"n": 1}]
        assert [each.metadata for each in await store.list_sessions()] == [{"n": 1}, {"n": 1}]
        await add_up(store)


async def filled_up(
    server: PostgresServer,
    url: str,
    *,
    store_type: type[PostgresSessionStore] = PostgresSessionStore,
) -> None:
    """Let several stores append until no more bytes are accepted: exactly all room is used."""
    size = len(note("0-00").message)
    limits = StoreLimits(max_total_bytes=60 * size)
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(store_type(url, limits=limits, patience=60.0))
            for _ in range(3)
        ]
        for n in range(3):
            await stores[0].create_session(session(f"s{n}"))

        async def fill_one(n: int) -> int:
            for count in range(99):
                try:
                    await stores[n].add_frame(note(f"{n}-{count:02}", f"s{n}"))
                except LimitExceeded:
                    return count
            return 99

        assert sum(await asyncio.gather(*map(fill_one, range(3)))) == 60
        await add_up(stores[0])


async def _all(store: AtomicSessionStore) -> object:
    shown = await picture(store)
    return shown.sessions, shown.frames, shown.statistics


def _same(value: object) -> object:
    """Without revisions: a batch that is applied again draws others."""
    if isinstance(value, dict):
        return {name: _same(each) for name, each in value.items() if name != "revision"}
    if isinstance(value, list | tuple):
        return [_same(each) for each in value]
    return value
