"""Functions sent to one session by several processes at once: each change is there, once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, Session
from sessionkeeper.backends.redis.operations import attempts

pytestmark = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
STORES, CALLERS, TIMES = 3, 8, 20


async def race(server: RedisServer, prefix: str) -> dict[str, Any]:
    """Let the callers of several stores count, each under a name of its own, in one session."""
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(RedisSessionStore(server.url, prefix=prefix))
            for _ in range(STORES)
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
            *(count(store, f"{s}.{c}") for s, store in enumerate(stores) for c in range(CALLERS))
        )
        return dict((await stores[0].get_session("hot")).metadata)


RIGHT = {f"{s}.{c}": TIMES for s in range(STORES) for c in range(CALLERS)}


async def test_no_change_is_lost_and_none_comes_twice(server: RedisServer, key_prefix: str) -> None:
    """A guess that another process's change was given the revision of is not taken for it."""
    assert await race(server, key_prefix.rstrip(":")) == RIGHT


async def test_a_guess_that_is_only_a_revision_is_caught(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without the digest, what one process was refused stays."""
    monkeypatch.setattr(attempts, "digest_of", lambda words: "")
    for n in range(20):
        if await race(server, f"{key_prefix.rstrip(':')}-{n}") != RIGHT:
            return
    pytest.fail("twenty races, and none of them shows it")
