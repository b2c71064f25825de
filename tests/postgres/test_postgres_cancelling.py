"""Callers and owners cancelled at any moment: nobody gets another's answer, nothing is by half."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from postgres_server import PostgresServer
from postgres_trials import closed_early, left_by, moment, own
from redis_operations import WRITES, add_up, counted, fill, note, session
from sessionkeeper import (
    AtomicSessionStore,
    SessionError,
    SessionQuery,
)
from sessionkeeper.stores.postgres import PostgresSessionStore

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
SINGLE = [name for name in WRITES if "at once" not in name]
NEIGHBOURS = 4
AT_LEAST, AT_MOST = 10, 200
AT_ONCE = 6


async def neighbour(store: PostgresSessionStore, number: int, over: asyncio.Event) -> None:
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
    assert await store.count_frames(key) == n


async def test_no_answer_reaches_another_whoever_is_cancelled_when(postgres_url: str) -> None:
    """Every method, cancelled at any moment; the neighbours notice nothing."""
    dice = Random(3)
    names = [name for name in CALLS if name not in ("expire_sessions", "purge_sessions")]
    async with PostgresSessionStore(postgres_url, patience=60.0) as store:
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
                await moment(dice)
                chosen.cancel()
            for answer in await asyncio.gather(*cancelled, return_exceptions=True):
                # The second ends a watcher whose session has ended; the third is told of a log that
                # began anew meanwhile.
                is_known = isinstance(answer, SessionError | StopAsyncIteration) or (
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


@pytest.mark.parametrize("tries", [3, pytest.param(40, marks=pytest.mark.long)])
async def test_a_cancelled_write_is_whole_or_not_there(tries: int, postgres_url: str) -> None:
    """Every write of one step; what is seen afterwards is what was before it, or after it."""
    free = asyncio.Semaphore(AT_ONCE)
    seen: set[bool] = set()

    async def cancel(name: str) -> None:
        async with free:
            before = await left_by(f"{own(postgres_url, name)}_before", None)
            after = await left_by(f"{own(postgres_url, name)}_after", WRITES[name])
            for n in range(tries):
                found = await left_by(
                    f"{own(postgres_url, name)}_{n}", WRITES[name], cancelled=Random(f"{name}{n}")
                )
                assert found in (before, after), name
                seen.add(found == after)

    await asyncio.gather(*map(cancel, SINGLE))
    assert seen == {False, True}


async def test_steps_cancelled_at_every_moment_leave_whole_ones(postgres_url: str) -> None:
    """Three frames and a change are one step; the moments go from its call to its answer."""
    async with PostgresSessionStore(postgres_url, patience=60.0) as store:
        await store.create_session(session("a"))
        begun = answered = cancelled = 0
        wait = 0.0
        while answered < 20:
            begun += 1
            frames = [note(10 * begun + n) for n in range(3)]
            step = asyncio.ensure_future(store.add_frames("a", frames, change=counted))
            await asyncio.wait({step}, timeout=wait)
            step.cancel()
            (answer,) = await asyncio.gather(step, return_exceptions=True)
            if isinstance(answer, range):
                answered += 1
                wait = 0.0
            else:
                assert isinstance(answer, asyncio.CancelledError)
                cancelled += 1
                wait = 1.2 * wait + 0.0002  # many moments, on machines of any speed
        found = await store.get_session("a")
        log = [each.message for each in await store.get_frames("a")]
        steps = {note(10 * n).message: n for n in range(1, begun + 1)}
        there = [steps[log[at]] for at in range(0, len(log), 3)]
        assert log == [note(10 * n + k).message for n in there for k in range(3)]
        assert there == sorted(set(there))
        assert found.metadata == {"n": len(there)}
        assert answered <= len(there)
        assert cancelled > answered
        await add_up(store)


async def test_a_store_closed_at_any_moment_tells_everybody_the_truth(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Acknowledged writes exist, those with `StoreClosed` do not, and `resolve` knows the rest."""
    told = await closed_early(postgres_server, postgres_url)
    assert told == {"int", "StoreClosed", "OutcomeUnknown"}
