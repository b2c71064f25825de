"""Every call ends when its caller's patience is over, whatever the server does instead.

The other timeouts are a thousand seconds here: only patience is left to end a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_operations import WRITES, add_up, fill, note
from redis_patience import AMPLE, set_patience
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer
from sessionkeeper import (
    OutcomeUnknown,
    RedisSessionStore,
    SessionError,
    StoreUnavailable,
    ThreadSafeSessionStore,
)

SLOW = "?socket_timeout=1000&socket_connect_timeout=1000"
PATIENCE = 0.5
ALL_ENDS = 300.0

READS: dict[str, Callable[[RedisSessionStore], Awaitable[object]]] = {
    "get_session": lambda s: s.get_session("a"),
    "count_frames": lambda s: s.count_frames("a"),
    "read_frames": lambda s: s.read_frames("a"),
    "list_sessions": lambda s: s.list_sessions(),
    "statistics": lambda s: s.statistics(),
    "resolve": lambda s: s.resolve("0123456789abcdef.2.0.1"),
}


async def _frozen(server: RedisServer, _: FaultProxy) -> None:
    server.freeze()


async def _hole(_: RedisServer, proxy: FaultProxy) -> None:
    proxy.silent = True
    await proxy.cut()


async def _unanswered(_: RedisServer, proxy: FaultProxy) -> None:
    for command in ("EVALSHA", "HMGET", "ZCARD", "HGETALL", "SCRIPT"):
        proxy.replies.hold(command, times=None)


async def _greeted(_: RedisServer, proxy: FaultProxy) -> None:
    proxy.replies.hold("HELLO", times=None)
    await proxy.cut()


SILENCES = {"frozen": _frozen, "hole": _hole, "unanswered": _unanswered, "greeted": _greeted}


async def timed(call: Awaitable[object]) -> tuple[object, float]:
    """The outcome of a call, and its duration."""
    begun = asyncio.get_running_loop().time()
    try:
        told: object = await call
    except SessionError as error:
        told = error
    return told, asyncio.get_running_loop().time() - begun


@pytest.mark.parametrize("silence", SILENCES)
async def test_every_call_ends_when_patience_is_over_whatever_the_server_does(
    silence: str, fleet: Fleet
) -> None:
    """For every kind of call: the answer is true, and so is the time in the error."""
    server = fleet.start()
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(proxy.url + SLOW, patience=AMPLE) as store,
    ):
        await fill(store)
        set_patience(store, PATIENCE)
        await SILENCES[silence](server, proxy)
        tasks: dict[str, asyncio.Task[tuple[object, float]]] = {}
        calls: dict[str, Any] = {"add_frame, first": lambda s: s.add_frame(note("x")), **WRITES}
        async with asyncio.timeout(ALL_ENDS):
            for name, call in (calls | READS).items():
                tasks[name] = asyncio.create_task(timed(call(store)))
                await asyncio.sleep(0.01)
            told = dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
        for name, (error, took) in told.items():
            if name in READS:
                assert isinstance(error, StoreUnavailable), name
            if isinstance(error, StoreUnavailable):
                assert error.waited is not None
                assert error.waited <= took, name
            else:
                assert isinstance(error, OutcomeUnknown), name
        server.thaw()
        proxy.silent = False
        proxy.replies.clear()
        async with asyncio.timeout(ALL_ENDS):
            await proxy.cut()
            applied = 0
            first, _ = told["add_frame, first"]
            while isinstance(first, OutcomeUnknown):
                try:
                    applied += await store.resolve(first.operation_id)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
            async with RedisSessionStore(server.url) as other:
                log = [frame.envelope.message for frame in await other.read_frames("a")]
                assert log.count(note("x").message) == applied
                await add_up(other)


async def test_callers_of_a_full_mailbox_wait_no_longer_than_patience(fleet: Fleet) -> None:
    """From this loop and from other threads: time in line is time waited."""
    server = fleet.start()
    url = server.url + SLOW
    async with RedisSessionStore(url, patience=AMPLE, capacity=2) as store:
        await fill(store)
        set_patience(store, PATIENCE)
        server.freeze()
        try:
            # Batches of two: each with a patience of its own, they would take twice as long.
            calls = 4 * round(ALL_ENDS / PATIENCE)
            async with asyncio.timeout(ALL_ENDS):
                told = await asyncio.gather(*(timed(store.count_frames("a")) for _ in range(calls)))
        finally:
            server.thaw()
    for error, took in told:
        assert isinstance(error, StoreUnavailable)
        assert error.waited is not None
        assert error.waited <= took


async def test_a_call_from_another_thread_ends_as_well(fleet: Fleet) -> None:
    """Its time begins at the call."""
    server = fleet.start()

    def blocked(store: ThreadSafeSessionStore) -> None:
        server.freeze()
        with pytest.raises(StoreUnavailable):
            store.count_frames("a")

    async with RedisSessionStore(server.url + SLOW, patience=AMPLE) as store:
        await fill(store)
        set_patience(store, PATIENCE)
        try:
            async with asyncio.timeout(ALL_ENDS):
                await asyncio.to_thread(blocked, ThreadSafeSessionStore(store))
        finally:
            server.thaw()


@asynccontextmanager
async def dripping(port: int, after: bytes) -> AsyncIterator[str]:
    """A relay that passes answers on byte by byte, for ever, once a command has these bytes."""
    drips = asyncio.Event()
    tasks: set[asyncio.Task[Any]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def forth() -> None:
            while data := await reader.read(65536):
                if after in data:
                    drips.set()
                back.write(data)

        forward = asyncio.create_task(forth())
        tasks.add(forward)
        try:
            while data := await there.read(65536):
                if not drips.is_set():
                    writer.write(data)
                    continue
                writer.write(b"$1000000\r\n")
                while not writer.is_closing():
                    writer.write(b"x")
                    await asyncio.sleep(0.02)
        finally:
            writer.close()
            back.close()

    listener = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_answer_of_single_bytes_is_not_waited_for_without_end(
    server: RedisServer, key_prefix: str
) -> None:
    """It is never silent, and never whole: for calls, for opening, and for who watches."""
    prefix = key_prefix[:-1]
    async with (
        dripping(server.port, b"$5\r\nZCARD") as url,
        RedisSessionStore(url, prefix=prefix, patience=AMPLE) as store,
        asyncio.timeout(ALL_ENDS),
    ):
        await fill(store)
        set_patience(store, PATIENCE)
        with pytest.raises(StoreUnavailable, match="in time"):
            await store.count_sessions()
        with pytest.raises(StoreUnavailable):
            await store.get_session("a")
    async with dripping(server.port, b"$4\r\nINFO") as url, asyncio.timeout(ALL_ENDS):
        short = f"{url}?socket_connect_timeout=0.3"
        with pytest.raises(StoreUnavailable, match="in time"):
            await RedisSessionStore(short, prefix=prefix, patience=PATIENCE).open()


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster"])
@pytest.mark.parametrize("held", ["all", "HELLO", "INFO", "SCRIPT"])
async def test_opening_ends_whatever_the_server_does(
    held: str, scheme: str, proxy: FaultProxy, key_prefix: str
) -> None:
    """It accepts the connection, but does not answer TLS, authentication, or a command."""
    if held == "all" or scheme == "rediss":
        proxy.silent = True
    else:
        proxy.replies.hold(held, times=None)
    url = proxy.url.replace("redis://", f"{scheme}://", 1)
    url = f"{url}?socket_timeout=1000&socket_connect_timeout=0.3"
    async with asyncio.timeout(ALL_ENDS):
        with pytest.raises(StoreUnavailable):
            await RedisSessionStore(url, prefix=key_prefix[:-1], patience=PATIENCE).open()
        await proxy.cut()
    assert proxy.open == 0
