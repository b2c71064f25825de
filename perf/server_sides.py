"""What is timed beside the store on a server: the same script by other clients, and the peers.

The other side is as good as one can write it: its words are made before the clock starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

from harness import Operation
from ratios import MESSAGE, envelope
from redis.asyncio import Redis
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session
from sessionkeeper.backends.redis.keys import Keys
from sessionlab.bench.peers import LogPeer, find_peer
from sessionlab.bench.peers.optional_import import import_peer_module
from sessionlab.bench.side_by_side.by_hand_redis import AppendScript

__all__ = ["Scene", "glide", "opened", "peer_log", "redis_py"]

_PREFIXES = count(1)


said = cast("Callable[..., Awaitable[Any]]", Redis.execute_command)  # redis-py names no types here


class Scene:
    """A store with sessions on a server, and the words by which others append to them."""

    def __init__(self, url: str, store: RedisSessionStore, prefix: str, sessions: int) -> None:
        self.url = url
        self.store = store
        self.ids = [f"s{number}" for number in range(sessions)]
        self.envelopes: list[MessageEnvelope] = [envelope(each) for each in self.ids]
        self.bucket = Keys(prefix, 1).buckets[0]
        self.script = AppendScript(self.bucket)

    def add(self, caller: int) -> Awaitable[int]:
        """Append by the store."""
        return self.store.add_frame(self.envelopes[caller])

    def hash(self, caller: int) -> str:
        """Key of a session."""
        return self.script.session(self.ids[caller])

    def get(self, caller: int) -> Awaitable[Session]:
        """Read a session by the store."""
        return self.store.get_session(self.ids[caller])


@asynccontextmanager
async def opened(url: str, sessions: int) -> AsyncIterator[Scene]:
    """An open store with so many sessions, alone on its server."""
    prefix = f"perf-{next(_PREFIXES)}"
    async with RedisSessionStore(url, prefix=prefix) as store:
        scene = Scene(url, store, prefix, sessions)
        for each in scene.ids:
            await store.create_session(Session.new(transport_type="stdio", id=each))
        yield scene
    async with Redis.from_url(url) as client:
        await client.flushall()


@asynccontextmanager
async def redis_py(scene: Scene, callers: int) -> AsyncIterator[tuple[Operation, Operation]]:
    """One `EVALSHA` an append, and one `HGETALL` a session, as redis-py's client does it."""
    client = Redis.from_url(scene.url, protocol=3, max_connections=callers + 8)
    await scene.script.prepare(client)
    words = [scene.script.call(each, MESSAGE) for each in scene.ids[:callers]]

    async def append(caller: int) -> None:
        answer = await said(client, *words[caller])
        assert answer[0][0] == b"OK"

    async def read(caller: int) -> None:
        found: Any = await client.hgetall(scene.hash(caller))
        assert found[b"n"]

    yield append, read
    await client.aclose()


@asynccontextmanager
async def glide(scene: Scene, callers: int) -> AsyncIterator[Operation]:
    """The same script by valkey-glide, which has one connection for all callers."""
    made = import_peer_module("glide", "valkey-glide")
    host, _, port = scene.url.removeprefix("redis://").partition("/")[0].partition(":")
    async with Redis.from_url(scene.url) as client:
        await scene.script.prepare(client)
    node = made.NodeAddress(host, int(port))
    other = await made.GlideClient.create(made.GlideClientConfiguration([node]))
    # Not its `invoke_script`: that sends the same, and is up to a half slower here.
    words = [
        [
            each if isinstance(each, bytes) else str(each)
            for each in scene.script.call(name, MESSAGE)
        ]
        for name in scene.ids[:callers]
    ]

    async def append(caller: int) -> None:
        answer: Any = await other.custom_command(words[caller])
        assert answer[0][0] == b"OK"

    yield append
    await other.close()


@asynccontextmanager
async def peer_log(scene: Scene, name: str, callers: int) -> AsyncIterator[Operation]:
    """A peer that appends the same message to a log of each caller."""
    log: LogPeer[Any] = find_peer(name).make(redis_url=scene.url)  # type: ignore[assignment]  # the peers named here have logs
    await log.open()
    for each in scene.ids:
        await log.create(each)
    messages = [log.message(each, MESSAGE) for each in scene.ids[:callers]]
    add: Callable[[str, Any], Awaitable[None]] = log.add

    async def append(caller: int) -> None:
        await add(scene.ids[caller], messages[caller])

    yield append
    await log.aclose()
