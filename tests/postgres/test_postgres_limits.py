"""Limits, expiry and removal where several stores use one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sessionkeeper import (
    LimitExceeded,
    PostgresSessionStore,
    Session,
    SessionEvent,
    SessionNotFound,
    StoreLimits,
)
from sessionkeeper.values.limits import FramesFull, SessionsFull

from tests.support.sessions import close_session, new_session, note

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

SIZE = len(note(0).message)
STORES = 3


class Stores:
    """Several stores with the same limits on one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.stack = AsyncExitStack()

    async def open(self, **limits: Any) -> list[PostgresSessionStore]:
        """Open them; each has written once."""
        found = [
            PostgresSessionStore(self._url, limits=StoreLimits(**limits), patience=60.0)
            for _ in range(STORES)
        ]
        for n, each in enumerate(found):
            await self.stack.enter_async_context(each)
            await each.create_session(new_session(f"warm-{n}"))
            await each.delete_session(f"warm-{n}")
        return found


@pytest.fixture
async def stores(postgres_url: str) -> AsyncIterator[Stores]:
    """Several stores; they are closed at the end."""
    made = Stores(postgres_url)
    async with made.stack:
        yield made


async def test_room_that_one_store_frees_is_at_once_room_for_another(stores: Stores) -> None:
    """Whatever frees it: a removed content, a trim, a cleared log, a deleted session."""
    one, two, _ = await stores.open(max_total_bytes=5 * SIZE, max_sessions=4)
    for key in "abcd":
        await one.create_session(new_session(key))
    for key in "aabcd":
        await one.add_frame(note(0, key))
    for free in (
        lambda: one.remove_frames("a", [2]),
        lambda: one.trim_frames("a", up_to=1),
        lambda: one.delete_frames("b"),
        lambda: one.delete_session("d"),
    ):
        with pytest.raises(LimitExceeded, match="max_total_bytes"):
            await two.add_frame(note(1, "c"))
        await free()
        assert await two.add_frame(note(1, "c"))
    assert (await one.statistics()).bytes == 5 * SIZE
    await two.create_session(new_session("d"))
    with pytest.raises(LimitExceeded, match="max_sessions"):
        await one.create_session(new_session("e"))


async def test_a_log_of_several_stores_keeps_its_newest_frames(stores: Stores) -> None:
    """With `drop-oldest`, whoever appends; the numbers go on, and no limit is exceeded."""
    opened = await stores.open(
        max_frames_per_session=10, max_total_bytes=25 * SIZE, frames_full=FramesFull.DROP_OLDEST
    )
    for key in "ab":
        await opened[0].create_session(new_session(key))
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append((await opened[2].statistics()).bytes or 0)
            await asyncio.sleep(0)

    looking = asyncio.ensure_future(look())
    added = await asyncio.gather(
        *(each.add_frame(note(n % 10, key)) for n in range(40) for each in opened for key in "ab")
    )
    looking.cancel()
    assert sorted(added) == sorted([*range(1, 121)] * 2)
    for key in "ab":
        frames = await opened[1].read_frames(key)
        assert [frame.seq for frame in frames] == [*range(111, 121)]
    assert seen
    assert max(seen) <= 25 * SIZE
    statistics = await opened[1].statistics()
    assert (statistics.frames, statistics.bytes) == (20, 20 * SIZE)


async def test_a_full_store_evicts_what_is_least_active_in_any_store(stores: Stores) -> None:
    """What another store did last counts; nobody sees more sessions than there may be."""
    one, two, three = await stores.open(max_sessions=4, sessions_full=SessionsFull.EVICT_ENDED)
    for key in "abcd":
        await one.create_session(new_session(key))
    with pytest.raises(LimitExceeded, match="max_sessions"):
        await two.create_session(new_session("e"))
    await close_session(three, "c")
    await close_session(one, "a")
    await two.create_session(new_session("e"))
    assert {each.id for each in await three.list_sessions()} == {*"abde"}
    await three.create_session(new_session("f"))
    assert {each.id for each in await one.list_sessions()} == {*"bdef"}
    for key in "bd":
        await close_session(one, key)
    told = await asyncio.gather(
        *(
            each.create_session(new_session(f"{n}-{key}"))
            for n, each in enumerate((one, two, three))
            for key in "xyz"
        ),
        return_exceptions=True,
    )
    made = [each for each in told if isinstance(each, Session)]
    assert len(made) == 2
    assert all(isinstance(each, LimitExceeded) for each in told if each not in made)
    assert await two.count_sessions() == 4


async def test_sessions_expire_and_are_purged_once(stores: Stores) -> None:
    """All stores sweep at the same time: each session is one store's, and all are gone."""
    opened = await stores.open()
    heard: list[str] = []

    def listener(event: SessionEvent, _: object) -> None:
        heard.append(f"{event.kind.value} {event.session.id}")

    now = datetime.now(UTC)
    for n in range(60):
        expires = None if n % 3 == 0 else now + timedelta(seconds=-1 if n % 3 == 1 else 3600)
        await opened[n % STORES].create_session(new_session(f"s{n}", expires_at=expires))
    for each in opened:
        each.subscribe(listener)

    async def expire(store: PostgresSessionStore) -> list[str]:
        ended: list[str] = []
        while found := await store.expire_sessions(limit=3):
            ended += [each.id for each in found]
        return ended

    found = await asyncio.gather(*map(expire, opened))
    expected = sorted(f"s{n}" for n in range(60) if n % 3 == 1)
    assert sorted(name for each in found for name in each) == expected
    assert len(heard) == len(set(heard)) == 20
    # What another store made later is due by the same clock.
    await opened[0].modify_session("s0", lambda s: s.model_copy(update={"expires_at": now}))
    assert [each.id for each in await opened[1].expire_sessions()] == ["s0"]
    heard.clear()

    async def purge(store: PostgresSessionStore) -> int:
        total = 0
        while count := await store.purge_sessions(ended_for=0, limit=4):
            total += count
        return total

    assert sum(await asyncio.gather(*map(purge, opened))) == 21
    assert len(heard) == len(set(heard)) == 21
    for store in opened:
        assert await store.count_sessions() == 39
        with pytest.raises(SessionNotFound):
            await store.get_session("s1")
