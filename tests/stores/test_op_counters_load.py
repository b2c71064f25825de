"""The counters add up at every moment, also when callers race and are cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Counters,
    FramesFull,
    PostgresSessionStore,
    SessionNotFound,
    SessionsFull,
    SessionState,
    SQLiteSessionStore,
    StoreLimits,
    StoreStatistics,
)

from tests.support.events import EventLog
from tests.support.sessions import close_session, new_session, note, turns
from tests.support.stores import Design, tables_of

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore


LIMITS = StoreLimits(
    sessions_full=SessionsFull.EVICT_IDLE,
    frames_full=FramesFull.DROP_OLDEST,
    max_sessions=6,
    max_frames_per_session=3,
)


def sums_hold(now: StoreStatistics) -> Counters:
    """Both sums, and nothing negative."""
    c = now.counters
    assert c is not None
    assert c.created == sum(now.sessions.values()) + c.deleted + c.purged + c.evicted
    assert c.frames_added == now.frames + c.frames_removed + c.frames_dropped
    numbers = [getattr(c, field.name) for field in fields(c) if field.name != "ended"]
    assert min(*numbers, *c.ended.values(), *now.sessions.values(), now.frames) >= 0
    assert now.bytes is not None
    assert now.bytes >= 0
    assert sum(c.ended.values()) <= c.created
    return c


async def work(store: AtomicSessionStore, rng: Random) -> Any:
    """One thing at random."""
    key = f"s{rng.randrange(12)}"
    calls: list[Any] = [
        lambda: store.create_session(new_session(key, principal=rng.choice([None, "p"]))),
        lambda: store.get_or_create_session(new_session(key)),
        lambda: store.add_frames(key, [note(0, key)] * rng.randrange(4)),
        lambda: store.add_frame(note(0, key)),
        lambda: store.for_principal("p").add_frame(note(0, key)),
        lambda: close_session(store, key),
        lambda: store.trim_frames(key, up_to=rng.randrange(9)),
        lambda: store.delete_frames(key),
        lambda: store.delete_session(key),
        lambda: store.expire_sessions(idle=0, limit=1),
        lambda: store.purge_sessions(ended_for=0, limit=1),
    ]
    return await rng.choice([*calls[:4] * 3, *calls])()


@pytest.mark.parametrize("seed", range(4))
async def test_the_sums_hold_at_every_moment(design: Design, seed: int) -> None:
    """Sampled all the time under 32 callers, a third of them cancelled at any moment."""
    rng = Random(seed)
    async with design(limits=LIMITS) as store:
        log = EventLog(store)
        samples: list[Counters] = []
        running = True

        async def read() -> None:
            while running:
                samples.append(sums_hold(await store.statistics()))
                await asyncio.sleep(0)  # two designs answer without a turn of the loop

        reading = asyncio.create_task(read())
        for _ in range(60):
            callers = [asyncio.create_task(work(store, rng)) for _ in range(32)]
            await turns(rng.randrange(4))
            for caller in rng.sample(callers, 10):
                caller.cancel()
            before = len(samples)
            await asyncio.gather(*callers, return_exceptions=True)
            while len(samples) == before and not reading.done():  # one in each round, at least
                await asyncio.sleep(0)
        running = False
        await reading
        last = sums_hold(await store.statistics())
        assert len(samples) > 30
        assert min(last.created, last.evicted, last.frames_added, last.frames_dropped) > 9
        # Never less than before, and what was told is what was counted.
        for earlier, later in pairwise(samples):
            assert earlier.created <= later.created
            assert earlier.evicted <= later.evicted
            assert earlier.frames_dropped <= later.frames_dropped
        told = Counter(str(event.kind) for event in log.events)
        counted = (last.created, last.deleted, last.purged, last.evicted)
        assert tuple(told[name] for name in ("created", "deleted", "purged", "evicted")) == counted
        ends = Counter(event.session.state for event in log.events if event.ended)
        assert ends == Counter(last.ended)
        held = [await store.get_frames(each.id) for each in await store.list_sessions()]
        size = sum(len(envelope.message) for frames in held for envelope in frames)
        assert (await store.statistics()).bytes == size


async def test_each_end_is_counted_once(store: AtomicSessionStore) -> None:
    """By its state, imported ones too; a change of what has ended counts nothing."""
    for key, state in zip("abc", ("closed", "failed", "active"), strict=True):
        await store.create_session(new_session(key, state=state))
    await store.expire_sessions(idle=0)
    for key in "abc":
        await store.modify_session(key, lambda s: s.model_copy(update={"principal": "p"}))
    ended = sums_hold(await store.statistics()).ended
    closed, failed, late = SessionState.CLOSED, SessionState.FAILED, SessionState.TIMED_OUT
    assert ended == {closed: 1, failed: 1, late: 1}
    for key in "abc":
        await store.delete_session(key)
    assert sums_hold(await store.statistics()).ended == ended
    if not isinstance(store, SQLiteSessionStore | PostgresSessionStore):  # a table counts them
        assert tables_of(store).counters._principals == {}  # nothing is kept of who is gone


async def test_refusals_are_counted_by_their_kind(store: AtomicSessionStore) -> None:
    """Errors of the store are counted, not those that a change raised."""
    await store.create_session(new_session())
    assert (await store.statistics()).refusals == {}

    def raises(_: object) -> Any:
        raise SessionNotFound("the caller's own")

    calls: list[Any] = [
        store.get_session("nobody"),
        store.for_principal("p").get_session("a"),
        store.create_session(new_session()),
        store.modify_session("a", lambda s: s.model_copy(update={"state": "shutting-down"})),
        store.modify_session("a", raises),
    ]
    for call in calls:
        with pytest.raises(Exception, match=r"."):
            await call
    refusals = (await store.statistics()).refusals
    assert refusals == {"SessionNotFound": 2, "SessionExists": 1, "InvalidTransition": 1}


async def test_a_caller_cancelled_while_queued_is_not_counted_as_refused() -> None:
    """It got no answer."""
    async with ActorSessionStore() as store:
        task = asyncio.create_task(store.get_session("nobody"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert (await store.statistics()).refusals == {}
