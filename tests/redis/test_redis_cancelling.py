"""Callers and owners cancelled at any moment: nobody gets another's answer, nothing is by half."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from redis_operations import WRITES, add_up, fill, note, session
from redis_proxy import proxied
from redis_server import RedisServer
from sessionkeeper import (
    AtomicSessionStore,
    OutcomeUnknown,
    RedisSessionStore,
    SessionError,
    SessionQuery,
    StoreClosed,
)

pytestmark = pytest.mark.parametrize("engine", ["redis"], indirect=True)

READS: dict[str, Callable[[AtomicSessionStore], Awaitable[object]]] = {
    "get_session": lambda s: s.get_session("a"),
    "get_sessions_batch": lambda s: s.get_sessions_batch(["a", "b"]),
    "list_sessions": lambda s: s.list_sessions(),
    "count_sessions": lambda s: s.count_sessions(),
    "get_frames": lambda s: s.get_frames("a"),
    "count_frames": lambda s: s.count_frames("a"),
    "read_frames": lambda s: s.read_frames("a", after=1),
    "find_sessions": lambda s: s.find_sessions(SessionQuery()),
    "statistics": lambda s: s.statistics(),
    "watch_frames": lambda s: anext(s.watch_frames("a", after=50)),
}
CALLS = WRITES | READS
NEIGHBOURS = 4
AT_LEAST, AT_MOST = 30, 300


async def turns(count: int) -> None:
    """Let everybody else have so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def neighbour(store: RedisSessionStore, number: int, over: asyncio.Event) -> None:
    """Read one's own data until the end, and check the answers."""
    key = f"mine-{number}"
    await store.create_session(session(key, tags={key}))
    n = 0
    while n < AT_LEAST or (n < AT_MOST and not over.is_set()):
        n += 1
        assert await store.add_frame(note(n, key)) == n
        assert (await store.get_session(key)).tags == {key}
        if not n % 5:
            frames = await store.get_frames(key)
            assert [each.context.session_id for each in frames] == [key] * n
    # Nobody else's sweep may have ended it meanwhile.
    assert await store.count_frames(key) == n


async def test_no_answer_reaches_another_whoever_is_cancelled_when(
    server: RedisServer, key_prefix: str
) -> None:
    """Every method, cancelled after any number of turns; the neighbours notice nothing."""
    dice = Random(3)
    names = [name for name in CALLS if name not in ("expire_sessions", "purge_sessions")]
    async with RedisSessionStore(server.url, prefix=key_prefix[:-1]) as store:
        await fill(store)
        over = asyncio.Event()
        busy = [asyncio.ensure_future(neighbour(store, n, over)) for n in range(NEIGHBOURS)]
        outcomes: set[str] = set()
        tries = 0
        while tries < AT_LEAST or (tries < AT_MOST and len(outcomes) < 4):
            tries += 1
            cancelled = [asyncio.ensure_future(CALLS[name](store)) for name in names]
            dice.shuffle(cancelled)
            for chosen in cancelled:
                await turns(dice.randrange(3))
                chosen.cancel()
            for answer in await asyncio.gather(*cancelled, return_exceptions=True):
                # The second is told of a log that began anew meanwhile.
                is_known = isinstance(answer, SessionError) or (
                    isinstance(answer, ValueError) and "no frame of such a number" in str(answer)
                )
                assert not isinstance(answer, Exception) or is_known, answer
                outcomes.add(type(answer).__name__)
        over.set()
        await asyncio.gather(*busy)
        await store.get_or_create_session(session("a"))
        await add_up(store)
        mailbox = store.mailbox
        assert (mailbox.depth, mailbox.waiting) == (0, 0)
    assert "CancelledError" in outcomes
    assert len(outcomes) > 3, "all were cancelled before they had an answer"


async def test_a_store_closed_at_any_moment_tells_everybody_the_truth(
    server: RedisServer, key_prefix: str
) -> None:
    """Acknowledged writes exist, those with `StoreClosed` do not, and `resolve` knows the rest."""
    told: set[str] = set()
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(server.url, prefix=key_prefix[:-1]) as other,
    ):
        for moment in range(40):
            key = f"s{moment}"
            await other.create_session(session(key))
            store = await RedisSessionStore(proxy.url, prefix=key_prefix[:-1], capacity=8).open()
            calls = [asyncio.ensure_future(store.add_frame(note(n, key))) for n in range(24)]
            # One in three finds its server silent.
            if not moment % 3:
                proxy.replies.hold("EVALSHA", skip=moment % 2)
            if moment % 3 == 1:
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await turns(moment)
            await store.aclose(timeout=0.0)
            proxy.replies.clear()
            applied: list[Any] = []
            answers = await asyncio.gather(*calls, return_exceptions=True)
            for n, answer in enumerate(answers):
                told.add(type(answer).__name__)
                if isinstance(answer, OutcomeUnknown):
                    if await other.resolve(answer.operation_id):
                        applied.append(n)
                elif not isinstance(answer, StoreClosed):
                    assert isinstance(answer, int)
                    applied.append(n)
            log = await other.get_frames(key)
            assert [each.message for each in log] == [note(n).message for n in applied]
        await add_up(other)
    assert told == {"int", "StoreClosed", "OutcomeUnknown"}
