"""Several calls out at once: what keeps the order, the ring, and the answer of every caller.

Each rule is shown, and then broken on purpose: the same check has to notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from redis_fleet import Fleet
from redis_operations import note, session
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer
from sessionkeeper import OutcomeUnknown, RedisSessionStore, StoreClosed
from sessionkeeper.backends.redis.delivery.writer_log import WriterLog
from sessionkeeper.backends.redis.execution import flights
from sessionkeeper.backends.redis.execution.executor import Executor
from sessionkeeper.backends.redis.execution.flights import Flights
from sessionkeeper.backends.redis.execution.lane import Lane
from sessionkeeper.backends.redis.execution.schedule import Job
from sessionkeeper.operations import AddFrame

Check: TypeAlias = Callable[[RedisServer, str], Coroutine[Any, Any, None]]
Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]

SCRIPT = "EVALSHA"
TOGETHER = 16
"""Commands in a full flight."""


def names(count: int) -> list[str]:
    """Ids of sessions."""
    return [f"s{n}" for n in range(count)]


async def filled(url: str, prefix: str, count: int, **options: Any) -> RedisSessionStore:
    """An open store with sessions, whose lane is open: it has an epoch."""
    store = await RedisSessionStore(url, prefix=prefix, **options).open()
    for each in names(count):
        await store.get_or_create_session(session(each))
    return store


def asked(*calls: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    """Begin calls, in this order."""
    return [asyncio.ensure_future(call) for call in calls]


async def lengths(store: RedisSessionStore) -> int:
    """Frames of all sessions, as another store sees them."""
    return sum(each.frame_count for each in await store.list_sessions())


async def until_quiet(proxy: FaultProxy) -> None:
    """Wait until nothing more comes from the clients."""
    before = -1
    while before != sum(proxy.requests.counted.values()):
        before = sum(proxy.requests.counted.values())
        await asyncio.sleep(0.05)


async def ring(server: RedisServer, prefix: str) -> None:
    """What is out is never more than the ring can tell apart, however many callers there are."""
    capacity, callers = 4, 40
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(server.url, prefix=prefix) as other,
    ):
        store = await filled(proxy.url, prefix, callers, capacity=capacity, patience=20)
        held = proxy.replies.hold(SCRIPT)
        calls = asked(*(store.add_frame(note(1, each)) for each in names(callers)))
        await held.reached()
        await until_quiet(proxy)
        assert 0 < await lengths(other) <= capacity
        cut = proxy.replies.cut(SCRIPT, at=0)
        held.release()
        await cut.reached()
        assert await asyncio.gather(*calls) == [1] * callers
        assert await lengths(other) == callers
        await store.aclose()


async def epochs(server: RedisServer, prefix: str) -> None:
    """No epoch begins while something is out; what was refused goes in the order it was asked."""
    count = 5 * TOGETHER
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(server.url, prefix=prefix) as other,
    ):
        store = await filled(proxy.url, prefix, 1)
        lane: Any = store._runner._lane
        log: WriterLog = lane._writer_log
        fence, out = log._fence, list[int]()

        def noted(*rest: Any) -> Any:
            out.append(lane._flights.out)
            return fence(*rest)

        patched: Any = log
        patched._fence = noted
        asking, answering = proxy.requests.hold(SCRIPT), proxy.replies.hold(SCRIPT, skip=1)
        calls = asked(*(store.add_frame(note(n, "s0")) for n in range(count)))
        await asking.reached()
        # To look an operation up ends the epoch in which all of them were sent.
        await other.resolve(f"{log.writer}.{log._ring}.0.1")
        asking.release()
        await answering.reached()
        await until_quiet(proxy)
        answering.release()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert out
        assert set(out) == {0}
        assert answers == [*range(1, count + 1)]
        await store.aclose()


async def order(server: RedisServer, prefix: str) -> None:
    """After a lost connection, what had no answer is applied once, in the order it was asked."""
    count = 6 * TOGETHER
    for lost in range(4):
        async with proxied(server.port) as proxy:
            own = f"{prefix}-{lost}"
            store = await filled(proxy.url, own, 1)
            for broken in (proxy.replies, proxy.requests):
                start = await store.count_frames("s0")
                cut = broken.cut(SCRIPT, at=0, skip=lost)
                calls = asked(*(store.add_frame(note(start + n, "s0")) for n in range(count)))
                numbers = await asyncio.gather(*calls)
                assert numbers == [*range(start + 1, start + count + 1)]
                assert cut.units
                broken.clear()
            log = await store.get_frames("s0")
            assert [each.message for each in log] == [note(n).message for n in range(2 * count)]
            await store.aclose()


async def refused_first(
    server: RedisServer, prefix: str, ask: Callable[[RedisSessionStore], Awaitable[Any]]
) -> Any:
    """The answer to a call, asked while an append is out that the server refuses at first."""
    async with proxied(server.port) as proxy:
        store = await filled(proxy.url, prefix, 2)
        server.say("CONFIG", "SET", "min-replicas-to-write", 1)
        held = proxy.replies.hold(SCRIPT)
        (append,) = asked(store.add_frame(note(1, "s0")))
        await held.reached()
        (later,) = asked(ask(store))
        await asyncio.sleep(0.05)
        held.release()
        await asyncio.sleep(0.05)
        server.say("CONFIG", "SET", "min-replicas-to-write", 0)
        assert await append == 1
        answer = await later
        await store.aclose()
        return answer


async def session_waits(server: RedisServer, prefix: str) -> None:
    """A session with something out holds back its next command."""
    found = await refused_first(server, prefix, lambda store: store.get_session("s0"))
    assert found.last_seq == 1


async def store_waits(server: RedisServer, prefix: str) -> None:
    """What concerns the whole store comes after all that is out."""
    found = await refused_first(server, prefix, lambda store: store.list_sessions())
    assert sum(each.last_seq for each in found) == 1


async def all_are_answered(
    server: RedisServer, prefix: str, end: Callable[[RedisSessionStore], Awaitable[None]]
) -> None:
    """Whatever ends the store, each caller learns the truth about each flight."""
    callers = 8 * TOGETHER
    told: set[type] = set()
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(server.url, prefix=prefix) as other,
    ):
        store = await filled(proxy.url, prefix, callers, capacity=5 * TOGETHER)
        held = proxy.replies.hold(SCRIPT, skip=1)
        calls = asked(*(store.add_frame(note(1, each)) for each in names(callers)))
        await held.reached()
        await until_quiet(proxy)
        await end(store)
        proxy.replies.clear()
        async with asyncio.timeout(300):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        applied = 0
        for answer in answers:
            told.add(type(answer))
            if isinstance(answer, OutcomeUnknown):
                assert answer.operation_id
                applied += await other.resolve(answer.operation_id)
            else:
                assert isinstance(answer, int | StoreClosed)
                applied += isinstance(answer, int)
        assert await lengths(other) == applied
    assert told == {int, OutcomeUnknown, StoreClosed}


async def closed(store: RedisSessionStore) -> None:
    """Close it, without time for what is out."""
    await store.aclose(timeout=0.0)


async def cancelled(store: RedisSessionStore) -> None:
    """Cancel the owner, as a loop does that ends."""
    owner: Any = store._actor._task
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner


async def crashed(store: RedisSessionStore) -> None:
    """Let a bug be found when the next flight lands."""
    lane: Any = store._runner._lane
    lane._crash(RuntimeError("broken on purpose"))
    with pytest.raises(StoreClosed):
        await store.get_session("s0")


def answered_when(end: Callable[[RedisSessionStore], Awaitable[None]]) -> Check:
    """The check of one way to end."""

    async def check(server: RedisServer, prefix: str) -> None:
        await all_are_answered(server, prefix, end)

    return check


async def gets_ride(server: RedisServer, prefix: str) -> None:
    """A read of one session is sent while appends to others have no answer."""
    async with proxied(server.port) as proxy:
        store = await filled(proxy.url, prefix, 2)
        held = proxy.replies.hold(SCRIPT)
        calls = asked(store.add_frame(note(1, "s0")))
        await held.reached()
        before = proxy.requests.counted["HMGET"]
        calls += asked(store.get_session("s1"))
        await until_quiet(proxy)
        sent = proxy.requests.counted["HMGET"] - before
        held.release()
        await asyncio.gather(*calls)
        await store.aclose()
        assert sent == 1


RULES: dict[str, Check] = {
    "ring": ring,
    "epochs": epochs,
    "order": order,
    "session waits": session_waits,
    "store waits": store_waits,
    "answered when closed": answered_when(closed),
    "answered when cancelled": answered_when(cancelled),
    "answered when crashed": answered_when(crashed),
    "gets ride": gets_ride,
}


@pytest.mark.parametrize("rule", RULES)
async def test_the_lane_keeps_its_rules(fleet: Fleet, key_prefix: str, rule: str) -> None:
    """With real servers, and a proxy that holds what is out."""
    await RULES[rule](fleet.start(), key_prefix[:-1])


class NeverBusy(dict[str, Any]):
    """Wrong on purpose: no session ever has something out."""

    def __contains__(self, _: object) -> bool:
        return False


def count_flights(patched: pytest.MonkeyPatch) -> None:
    """Count flights against the ring, not their commands."""
    patched.setattr(WriterLog, "capacity", property(lambda self: self._ring // 2 * TOGETHER))


def do_not_wait(patched: pytest.MonkeyPatch) -> None:
    """Let nothing wait for what is out."""

    async def at_once(_: Lane) -> None:
        pass

    patched.setattr(Lane, "_until_landed", at_once)


def run_at_once(patched: pytest.MonkeyPatch) -> None:
    """Run what concerns the whole store beside what is out."""
    together = Lane._run_together

    async def what_waits(self: Any) -> None:
        if not self._flights.out:
            await together(self)
            return
        jobs = [*self._waiting]
        self._waiting.clear()
        self._shut = False
        await self._executor.run(jobs, self._slide)

    patched.setattr(Lane, "_run_together", what_waits)


def hold_nothing_back(patched: pytest.MonkeyPatch) -> None:
    """Send a session's next command while it has something out."""
    begin = Flights.__init__

    def without(self: Any, *rest: Any) -> None:
        begin(self, *rest)
        self._busy = NeverBusy()

    patched.setattr(Flights, "__init__", without)


def run_backwards(patched: pytest.MonkeyPatch) -> None:
    """Run what was left without an answer in another order than it was asked."""
    run = Executor.run

    async def backwards(self: Executor, jobs: Any, ended: Any) -> None:
        await run(self, jobs[::-1] if all(job.begun for job in jobs) else jobs, ended)

    patched.setattr(Executor, "run", backwards)


def forget_a_flight(patched: pytest.MonkeyPatch) -> None:
    """Answer all but the flight that was sent first."""
    abandon = Lane.abandon

    def but_one(self: Any, cause: BaseException) -> None:
        for _ in range(min(TOGETHER, len(self._sent))):
            self._sent.popleft()
        abandon(self, cause)

    patched.setattr(Lane, "abandon", but_one)


def call_it_closed(patched: pytest.MonkeyPatch) -> None:
    """Say of what is out that it had no effect."""
    patched.setattr(Job, "may_have_effect", property(lambda _: False))


def leave_gets_behind(patched: pytest.MonkeyPatch) -> None:
    """Take appends only."""
    patched.setattr(flights, "_KINDS", (AddFrame,))


FLAWS: list[tuple[Break, str]] = [
    (count_flights, "ring"),
    (do_not_wait, "epochs"),
    (run_at_once, "store waits"),
    (run_backwards, "order"),
    (hold_nothing_back, "session waits"),
    (forget_a_flight, "answered when closed"),
    (forget_a_flight, "answered when cancelled"),
    (forget_a_flight, "answered when crashed"),
    (call_it_closed, "answered when closed"),
    (call_it_closed, "answered when cancelled"),
    (leave_gets_behind, "gets ride"),
]


@pytest.mark.parametrize(("flaw", "rule"), FLAWS, ids=lambda each: getattr(each, "__name__", each))
async def test_a_lane_without_a_rule_is_detected(
    fleet: Fleet, key_prefix: str, monkeypatch: pytest.MonkeyPatch, flaw: Break, rule: str
) -> None:
    """So the test above would notice."""
    flaw(monkeypatch)
    with pytest.raises(AssertionError):
        async with asyncio.timeout(300):
            await RULES[rule](fleet.start(), key_prefix[:-1])
