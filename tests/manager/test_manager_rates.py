"""How many messages a session may send (Guarantees 15.2)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    PlainSessionStore,
    RateLimited,
    SessionClosed,
    SessionManager,
    SessionNotFound,
    StoreLimits,
)
from sessionkeeper.manager.rate_limiter import RateLimiter, RateToken


class Time:
    """A clock that the test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """A clock."""
    return Time()


def note(session_id: str, **members: object) -> MessageEnvelope:
    """A message to the server."""
    message = {"jsonrpc": "2.0", "method": "notifications/x", **members}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def taken(limiter: RateLimiter, session: str, maximum: int = 1_000) -> int:
    """How many messages a session may send now."""
    for n in range(maximum):
        try:
            limiter.take(session)
        except RateLimited:
            return n
    return maximum


def test_a_burst_then_the_rate(time: Time) -> None:
    """`burst` at once after a rest, then `rate` a second; each session for itself."""
    limiter = RateLimiter(time, rate=10.0, burst=5)
    assert [taken(limiter, "a"), taken(limiter, "b"), taken(limiter, "a")] == [5, 5, 0]
    time.now += 0.1
    assert taken(limiter, "a") == 1
    time.now += 0.3
    assert taken(limiter, "a") == 3
    time.now += 1_000.0
    assert taken(limiter, "a") == 5


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (1.0, 1), (2.5, 3), (100.0, 100)])
def test_without_a_burst_it_is_one_seconds_worth(time: Time, rate: float, burst: int) -> None:
    """At least one."""
    assert taken(RateLimiter(time, rate=rate, burst=None), "a") == burst


def test_a_rate_limit_says_when_to_retry(time: Time) -> None:
    """`retry_after` seconds later one more is taken, and not before."""
    limiter = RateLimiter(time, rate=4.0, burst=2)
    assert taken(limiter, "a") == 2
    time.now += 0.1
    with pytest.raises(RateLimited) as refused:
        limiter.take("a")
    assert refused.value.retry_after == pytest.approx(0.15)
    assert (refused.value.limit, refused.value.maximum) == ("rate_limit", 2)
    assert isinstance(refused.value, LimitExceeded)
    time.now += refused.value.retry_after - 0.001
    assert taken(limiter, "a") == 0
    time.now += 0.001
    assert taken(limiter, "a") == 1


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_burst_and_rate_allow(seed: int, time: Time) -> None:
    """In any stretch of time of any pattern; refusals cost nothing."""
    chance = random.Random(seed)
    limiter = RateLimiter(time, rate=5.0, burst=3)
    sent: list[float] = []
    for _ in range(2_000):
        time.now += chance.choice([0.0, 0.01, 0.1, 0.5, 3.0]) * chance.random()
        if taken(limiter, "a", 1):
            sent.append(time.now)
    for i, first in enumerate(sent):
        for j in range(i, min(i + 40, len(sent))):
            assert j - i + 1 <= 3 + 5.0 * (sent[j] - first) + 1e-6
    assert len(sent) > 100


@pytest.mark.parametrize("seed", range(20))
def test_a_token_that_comes_back_was_never_taken(seed: int, time: Time) -> None:
    """However long it was away and whatever was taken meanwhile: no more and no less is allowed.

    The model computes the bucket from the beginning, without what was given back.
    """
    chance = random.Random(seed)
    limiter = RateLimiter(time, rate=2.0, burst=3)
    tokens: list[RateToken] = []
    refused = accepted = 0

    def full_at() -> float:
        full_at = 0.0
        for token in tokens:
            if token.is_kept is not False:
                full_at = max(full_at, token.taken_at) + 0.5
        return full_at

    for _ in range(600):
        time.now += chance.choice([0.0, 0.05, 0.3, 0.3, 2.0]) * chance.random()
        on_the_way = [token for token in tokens if token.is_kept is None]
        if on_the_way and chance.random() < 0.5:
            chance.choice(on_the_way).settle(kept=chance.random() < 0.4)
            continue
        allowed = max(full_at(), time.now) + 0.5 <= time.now + 1.5 + 1e-9
        try:
            tokens.append(limiter.take("a"))
        except RateLimited:
            refused += 1
            assert not allowed
        else:
            accepted += 1
            assert allowed
    assert refused > 20
    assert accepted > 100


def test_what_comes_back_behind_a_message_that_hangs_is_not_kept(time: Time) -> None:
    """Neither memory nor time grows with the messages refused meanwhile."""
    limiter = RateLimiter(time, rate=1.0, burst=5)
    hanging = limiter.take("a")
    for _ in range(1_000):
        limiter.take("a").settle(kept=False)
    assert len(hanging.bucket.tokens) <= 6
    assert taken(limiter, "a") == 4
    hanging.settle(kept=False)
    assert taken(limiter, "a") == 1


def test_full_buckets_are_forgotten_without_a_scan(time: Time) -> None:
    """However many sessions there were, only those of the last moments are kept."""
    limiter = RateLimiter(time, rate=10.0, burst=10)
    for n in range(10_000):
        if n % 20 == 0:
            limiter.take("busy")  # the first to come, and never full: it holds nobody up
        limiter.take(str(n))
        time.now += 0.01
        assert len(limiter) <= 103
    time.now += 10.0
    assert limiter.forget_full(60) == 60
    assert 0 < limiter.forget_full(1_000) < 60
    assert len(limiter) == 0


def test_a_bucket_that_is_not_full_is_kept(time: Time) -> None:
    """Forgetting gives nobody more than their rate."""
    limiter = RateLimiter(time, rate=1.0, burst=4)
    assert taken(limiter, "a") == 4
    time.now += 3.9
    assert limiter.forget_full(10) == 0
    assert taken(limiter, "a") == 3
    time.now += 4.1
    assert limiter.forget_full(10) == 1


def config(**fields: object) -> ManagerConfig:
    """Two messages a second."""
    return ManagerConfig.model_validate({"rate_limit": 2.0, **fields})


async def test_a_message_too_many_is_refused_with_no_effect(time: Time) -> None:
    """`RateLimited` with `retry_after`: nothing recorded, nothing pending; the others go on."""
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(store, config(), clock=Clock(steady=time)) as manager,
    ):
        for session in "ab":
            await manager.create_session(transport_type="stdio", id=session)
        results = await asyncio.gather(
            *(manager.record(note("a", id=n)) for n in range(64)), return_exceptions=True
        )
        assert results[:2] == [1, 2]
        assert all(isinstance(result, RateLimited) for result in results[2:])
        assert await store.count_frames("a") == len(manager.pending_requests("a")) == 2
        assert (await manager.statistics()).rate_limited == 62
        assert await manager.record(note("b")) == 1
        time.now += 0.5
        assert await manager.record(note("a")) == 3


async def test_sessions_that_take_nothing_have_no_bucket(time: Time) -> None:
    """This holds for unknown sessions, however many, and for ended or deleted ones."""
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(store, config(), clock=Clock(steady=time)) as manager,
    ):
        rates = manager._services.rates
        assert rates is not None
        for n in range(100):
            with pytest.raises(SessionNotFound):
                await manager.record(note(str(n)))
        assert len(rates) == 0
        for session in "abc":
            await manager.create_session(transport_type="stdio", id=session)
            await manager.record(note(session))
        assert len(rates) == 3
        await manager.complete_session("a")
        await manager.delete_session("b")
        assert len(rates) == 1
        with pytest.raises(SessionClosed):
            await manager.record(note("a"))
        assert len(rates) == 1


async def test_a_message_refused_by_another_limit_costs_no_rate(time: Time) -> None:
    """An error means no effect."""
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(
            store, config(max_pending_per_session=1), clock=Clock(steady=time)
        ) as manager,
    ):
        await manager.create_session(transport_type="stdio", id="a")
        await manager.record(note("a", id=1))
        for n in range(5):
            with pytest.raises(LimitExceeded, match="max_pending_per_session"):
                await manager.record(note("a", id=n))
        assert await manager.record(note("a")) == 2
        with pytest.raises(RateLimited):
            await manager.record(note("a"))


async def test_a_message_that_the_store_refuses_costs_no_rate(time: Time) -> None:
    """Too large, too deep, out of the store's room, for a session that is gone: all the same."""
    limits = StoreLimits(max_frame_bytes=200, max_json_depth=5, max_frames_per_session=2)
    deep: object = {}
    for _ in range(9):
        deep = [deep]
    refused = [note("a", params={"x": "x" * 500}), note("a", params={"deep": deep})]
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store, config(), clock=Clock(steady=time)) as manager,
    ):
        for session in "ab":
            await manager.create_session(transport_type="stdio", id=session)
        for message in refused * 4:
            with pytest.raises(LimitExceeded) as error:
                await manager.record(message)
            assert not isinstance(error.value, RateLimited)
        assert [await manager.record(note("a")) for _ in range(2)] == [1, 2]
        with pytest.raises(RateLimited):
            await manager.record(note("a"))
        time.now += 1.0  # two more of the rate, for which the log has no room
        for _ in range(5):
            with pytest.raises(LimitExceeded, match="max_frames_per_session"):
                await manager.record(note("a"))
        await store.delete_frames("a")
        assert [await manager.record(note("a")) for _ in range(2)] == [3, 4]
        await store.delete_session("b")
        for _ in range(5):
            with pytest.raises(SessionNotFound):
                await manager.record(note("b"))
        await manager.create_session(transport_type="stdio", id="b")
        assert [await manager.record(note("b")) for _ in range(2)] == [1, 2]
        assert (await manager.statistics()).rate_limited == 1


async def test_refused_messages_side_by_side_cost_no_rate(time: Time) -> None:
    """On their way they take their places; refused, they give them back, each its own."""
    async with (
        ActorSessionStore(limits=StoreLimits(max_frame_bytes=200)) as store,
        SessionManager.with_store(
            store, config(rate_limit=1.0, rate_burst=112), clock=Clock(steady=time)
        ) as manager,
    ):
        await manager.create_session(transport_type="stdio", id="a")
        large = note("a", params={"x": "x" * 500})
        for _ in range(3):
            sent = [large if n % 4 else note("a") for n in range(64)]
            results = await asyncio.gather(*map(manager.record, sent), return_exceptions=True)
            assert not [each for each in results if isinstance(each, RateLimited)]
            assert sum(isinstance(each, LimitExceeded) for each in results) == 48
        assert await store.count_frames("a") == 48
        assert [await manager.record(note("a")) for _ in range(64)] == list(range(49, 113))
        with pytest.raises(RateLimited):
            await manager.record(note("a"))


async def test_a_message_of_a_cancelled_caller_costs_rate(
    only_ten: Callable[..., Any], time: Time
) -> None:
    """It may be in the log. Messages refused beside it cost nothing."""
    behind = only_ten(PlainSessionStore(limits=StoreLimits(max_frame_bytes=200)))
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def hold(name: str, _: object) -> None:
        if name == "add_frame":
            arrived.set()
            await gate.wait()

    async with SessionManager.with_store(behind, config(), clock=Clock(steady=time)) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        behind.before = hold
        caller = asyncio.create_task(manager.record(note("a")))
        await arrived.wait()
        large = asyncio.create_task(manager.record(note("a", params={"x": "x" * 500})))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        gate.set()
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await large
        await manager.record(note("a"))
        with pytest.raises(RateLimited):
            await manager.record(note("a"))
