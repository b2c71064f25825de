"""The counters of requests add up after every single step, whatever the steps (Guarantees 15.2)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from sessionkeeper import Direction, LimitExceeded, RequestStatistics
from sessionkeeper.manager.pending import TrackedRequest
from sessionkeeper.manager.requests import RequestTracker

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


def settled(numbers: RequestStatistics) -> int:
    """The requests that wait no more."""
    done = numbers.answered + numbers.timed_out + numbers.dropped
    return done + numbers.superseded + numbers.withdrawn + numbers.cancelled


@pytest.mark.parametrize("seed", range(50))
def test_the_counters_add_up_whatever_happens(seed: int) -> None:
    """After every single step: started is the sum of all others; nothing is ever negative."""
    chance = random.Random(seed)
    now = 0.0
    tracker = RequestTracker(lambda: now, timeout=20.0, max_per_session=8, max_pending=20)
    started: list[TrackedRequest] = []
    claimed: list[TrackedRequest] = []

    def take(waiting: list[TrackedRequest]) -> TrackedRequest:
        return waiting.pop(chance.randrange(len(waiting)))

    def begin() -> None:
        try:
            waiting = tracker.start(
                chance.choice("abc"), chance.choice([UP, DOWN]), chance.randrange(4), "m"
            )
        except LimitExceeded:
            return
        assert waiting is not None
        started.append(waiting)

    def claim() -> None:
        of = chance.choice("abc"), chance.choice([UP, DOWN]), chance.randrange(4)
        waiting = tracker.claim(*of)
        if waiting is None:
            tracker.answer(None, of)
        else:
            claimed.append(waiting)

    def settle(waiting: list[TrackedRequest], outcome: Callable[[TrackedRequest], None]) -> None:
        if waiting:
            outcome(take(waiting))

    def drop() -> None:
        if chance.random() < 0.2:
            tracker.drop_session(chance.choice("abc"))

    def pass_time() -> None:
        nonlocal now
        now += chance.random() * 4

    steps: list[Callable[[], None]] = [
        *(begin, begin, claim, drop, pass_time),
        lambda: settle(started, tracker.recorded),
        lambda: settle(started, tracker.withdraw),
        lambda: settle(claimed, tracker.answer),
        lambda: settle(claimed, tracker.release),
        lambda: settle(claimed, tracker.cancel),
    ]
    for _ in range(400):
        chance.choice(steps)()
        numbers = tracker.statistics()
        assert numbers.started == numbers.pending + settled(numbers)
        assert numbers.pending == len(tracker.pending()) <= 20
        assert numbers.answered == numbers.latency.count + numbers.ambiguous
        assert numbers.late <= numbers.unmatched
        assert numbers.pending == len(tracker)
        assert len(tracker.pending()) == sum(len(tracker.pending(each)) for each in "abc")
    for waiting in claimed:
        tracker.release(waiting)
    now += 21.0
    assert tracker.pending() == []
    assert all(tracker.sessions_awaiting(way, n) == () for way in (UP, DOWN) for n in range(4))
    assert not any(
        (tracker._by_id, tracker._sessions, tracker._started, tracker._overdue)
    )  # nothing piles up
