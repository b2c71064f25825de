"""How many messages a session may send (Guarantees 15.2)."""

from __future__ import annotations

import asyncio
import random

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    RateLimited,
    SessionClosed,
    SessionManager,
    SessionNotFound,
)
from sessionkeeper.manager.rate_limiter import RateLimiter


class Time:
    """A clock that is told what time it is."""

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
    """Neither unknown ones, however many are tried, nor those that have ended or gone."""
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
