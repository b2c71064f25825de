"""The tracker of requests by itself: no loop, a clock of its own (Guarantees 15.2)."""

from __future__ import annotations

import pytest
from sessionkeeper import Direction, LimitExceeded, RequestStatistics
from sessionkeeper.manager.pending import TrackedRequest
from sessionkeeper.manager.requests import RequestTracker

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


class Time:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """A clock at 0."""
    return Time()


@pytest.fixture
def tracker(time: Time) -> RequestTracker:
    """A tracker with small limits and a time-out of 10 s."""
    return RequestTracker(time, timeout=10.0, max_per_session=3, max_pending=5)


def adds_up(numbers: RequestStatistics) -> bool:
    """Whether every request started is in exactly one place."""
    settled = numbers.answered + numbers.timed_out + numbers.dropped
    settled += numbers.superseded + numbers.withdrawn + numbers.cancelled
    return numbers.started == numbers.pending + settled


def ask(
    tracker: RequestTracker, session: str, request_id: object, way: Direction = UP
) -> TrackedRequest:
    """Start a request and have it recorded."""
    waiting = tracker.start(session, way, request_id, "ping")  # type: ignore[arg-type]  # any type
    assert waiting is not None
    tracker.recorded(waiting)
    return waiting


def test_the_type_is_part_of_the_id(tracker: RequestTracker) -> None:
    """`1`, `"1"`, `1.0` and `True` are four ids."""
    tracker = RequestTracker(lambda: 0.0, timeout=None, max_per_session=9, max_pending=9)
    asked = [ask(tracker, "a", each) for each in (1, "1", 1.0, True)]
    assert tracker.statistics().superseded == 0
    for waiting in reversed(asked):
        request = waiting.request
        assert tracker.claim("a", UP, request.request_id) is waiting
        tracker.answer(waiting)
    assert tracker.statistics().answered == 4


def test_the_directions_are_spaces_of_their_own(tracker: RequestTracker) -> None:
    """Each side counts its own requests: both may use the same id at once."""
    up, down = ask(tracker, "a", 1, UP), ask(tracker, "a", 1, DOWN)
    assert tracker.statistics().superseded == 0
    assert tracker.claim("a", DOWN, 1) is down
    assert tracker.claim("a", UP, 1) is up


def test_only_its_own_session_answers(tracker: RequestTracker) -> None:
    """A response matches only within its session."""
    waiting = ask(tracker, "a", 1)
    assert tracker.claim("b", UP, 1) is None
    tracker.answer(None)
    assert tracker.statistics().unmatched == 1
    assert tracker.claim("a", UP, 1) is waiting


def test_latency_is_from_request_to_response(tracker: RequestTracker, time: Time) -> None:
    """Seconds of the steady clock, until the response came, not until it was stored."""
    for n, seconds in enumerate((1.0, 2.0, 6.0)):
        waiting = ask(tracker, "a", n)
        time.now += seconds
        assert tracker.claim("a", UP, n) is waiting
        time.now += 3.0  # the store takes its time
        tracker.answer(waiting)
    latency = tracker.statistics().latency
    assert (latency.count, latency.mean, latency.max) == (3, 3.0, 6.0)
    assert (latency.median, latency.p99) == (2.0, 6.0)


def test_the_window_of_latencies_is_bounded(tracker: RequestTracker, time: Time) -> None:
    """Mean and max of all; median and p99 of the latest 1,024."""
    for n in range(3_000):
        waiting = ask(tracker, "a", n)
        time.now += 5.0 if n < 1_976 else 1.0
        tracker.claim("a", UP, n)
        tracker.answer(waiting)
    latency = tracker.statistics().latency
    assert (latency.count, latency.max, latency.median, latency.p99) == (3_000, 5.0, 1.0, 1.0)
    assert latency.mean == pytest.approx((1_976 * 5 + 1_024) / 3_000)


def test_nothing_answered_has_no_latency(tracker: RequestTracker) -> None:
    """The value is None, not 0."""
    latency = tracker.statistics().latency
    assert (latency.count, latency.mean, latency.median, latency.p99) == (0, None, None, None)


def test_time_outs_come_in_order_of_start(time: Time) -> None:
    """At their time, not before; each told once."""
    told: list[object] = []
    tracker = RequestTracker(
        time,
        timeout=10.0,
        max_per_session=9,
        max_pending=9,
        timed_out=lambda waiting: told.append(waiting.request.request_id),
    )
    for n in range(4):
        ask(tracker, "ab"[n % 2], n)
        time.now += 1.0
    assert (tracker.expire(), told) == (0, [])
    time.now = 11.0
    assert (tracker.expire(), told) == (2, [0, 1])
    time.now = 100.0
    assert (tracker.expire(), told) == (2, [0, 1, 2, 3])
    numbers = tracker.statistics()
    assert (numbers.timed_out, numbers.pending) == (4, 0)
    assert adds_up(numbers)


def test_a_response_after_the_time_out_is_of_no_request(
    tracker: RequestTracker, time: Time
) -> None:
    """Whether or not anybody has swept meanwhile."""
    ask(tracker, "a", 1)
    time.now = 10.0
    assert tracker.claim("a", UP, 1) is None
    tracker.answer(None)
    numbers = tracker.statistics()
    assert (numbers.timed_out, numbers.answered, numbers.unmatched) == (1, 0, 1)


@pytest.mark.parametrize(
    ("sessions", "limit", "maximum"),
    [("aaaa", "max_pending_per_session", 3), ("aabbcc", "max_pending", 5)],
)
def test_limits_name_themselves(
    tracker: RequestTracker, sessions: str, limit: str, maximum: int
) -> None:
    """`LimitExceeded` says which; a place given back is free, an overdue one too."""
    for n, session in enumerate(sessions[:-1]):
        last = ask(tracker, session, n)
    before = tracker.statistics()
    with pytest.raises(LimitExceeded) as refused:
        tracker.start(sessions[-1], UP, 99, "ping")
    assert (refused.value.limit, refused.value.current) == (limit, maximum)
    assert tracker.statistics() == before
    tracker.withdraw(last)
    ask(tracker, sessions[-1], 99)


def test_overdue_requests_hold_no_places(tracker: RequestTracker, time: Time) -> None:
    """Limits count what waits, not what a sweeper has not come to."""
    for n in range(3):
        ask(tracker, "a", n)
    time.now = 10.0
    ask(tracker, "a", 3)


def test_an_id_in_flight_twice_has_two_requests(tracker: RequestTracker, time: Time) -> None:
    """Both wait, each response settles one, and no time is measured: whose it is nobody knows."""
    slow = ask(tracker, "a", 1)
    time.now = 2.0
    fast = ask(tracker, "a", 1)
    assert [each.ambiguous for each in tracker.pending()] == [True, True]
    assert tracker.find("a", UP, 1) == slow.request
    for pending in (1, 0):
        tracker.answer(tracker.claim("a", UP, 1))
        assert tracker.statistics().pending == pending
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.ambiguous, numbers.unmatched) == (2, 2, 0)
    assert (numbers.superseded, numbers.latency.count) == (0, 0)
    assert slow.settled
    assert fast.settled
    time.now = 3.0
    ask(tracker, "a", 1)  # all were answered: from here on the id says again what it is
    time.now = 5.0
    tracker.answer(tracker.claim("a", UP, 1))
    assert tracker.statistics().latency.max == 2.0
    assert adds_up(tracker.statistics())


def test_one_response_leaves_the_others_waiting(tracker: RequestTracker, time: Time) -> None:
    """Three asked and one answered: two are unanswered, and time out no earlier than is certain."""
    for _ in range(3):
        ask(tracker, "a", 1)
        time.now += 1.0
    tracker.answer(tracker.claim("a", UP, 1))
    assert [(each.started_at, each.ambiguous) for each in tracker.pending()] == [
        (1.0, True),
        (2.0, True),
    ]
    tracker.answer(tracker.claim("a", DOWN, 1))
    time.now = 10.5  # the first is over; it may be the one that was answered
    assert tracker.expire() == 0
    time.now = 12.0
    assert tracker.expire() == 2
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.ambiguous, numbers.unmatched, numbers.timed_out) == (
        *(1, 1),
        *(1, 2),
    )
    assert adds_up(numbers)


def test_a_response_before_the_id_is_used_again_is_not_ambiguous(
    tracker: RequestTracker, time: Time
) -> None:
    """Also while it is still being recorded; unless it is refused."""
    ask(tracker, "a", 1)
    time.now = 2.0
    first = tracker.claim("a", UP, 1)
    assert first is not None
    again = ask(tracker, "a", 1)
    assert not again.ambiguous
    tracker.answer(first)
    second = tracker.claim("a", UP, 1)
    assert second is again
    third = ask(tracker, "a", 1)
    tracker.release(second)
    assert second.ambiguous
    assert third.ambiguous
    numbers = tracker.statistics()
    assert (numbers.ambiguous, numbers.latency.count, numbers.latency.max) == (0, 1, 2.0)


def test_a_refused_request_makes_no_other_ambiguous(tracker: RequestTracker) -> None:
    """A refusal has no effect: the id was in flight once."""
    first = ask(tracker, "a", 1)
    refused = tracker.start("a", UP, 1, "ping")
    assert refused is not None
    tracker.withdraw(refused)
    assert not first.ambiguous
    tracker.answer(tracker.claim("a", UP, 1))
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.ambiguous, numbers.latency.count) == (1, 0, 1)


def test_of_two_requests_with_one_id_the_cancellable_one_is_cancelled(
    tracker: RequestTracker,
) -> None:
    """`initialize` is passed over, in whatever order the two came."""
    hello = tracker.start("a", UP, 1, "initialize")
    assert hello is not None
    tracker.recorded(hello)
    assert tracker.claim("a", UP, 1, but="initialize") is None
    other = ask(tracker, "a", 1)
    claimed = tracker.claim("a", UP, 1, but="initialize")
    assert claimed is other
    tracker.cancel(other)
    assert tracker.pending() == [hello.request]


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_a_late_response_differs_from_one_without_a_request(
    tracker: RequestTracker, time: Time, how: str
) -> None:
    """Unmatched both; only the one is late, and once."""
    ask(tracker, "a", 1)
    if how == "cancelled":
        claimed = tracker.claim("a", UP, 1)
        assert claimed is not None
        tracker.cancel(claimed)
    else:
        time.now = 10.0
        tracker.expire()
    for of in (("a", UP, 2), ("a", DOWN, 1), ("b", UP, 1), ("a", UP, "1")):
        assert tracker.claim(*of) is None
        tracker.answer(None, of)
    assert (tracker.statistics().unmatched, tracker.statistics().late) == (4, 0)
    for _ in range(2):
        assert tracker.claim("a", UP, 1) is None
        tracker.answer(None, ("a", UP, 1))
    assert (tracker.statistics().unmatched, tracker.statistics().late) == (6, 1)


def test_the_id_of_a_cancelled_request_is_ambiguous_when_used_again(
    tracker: RequestTracker,
) -> None:
    """The first response may be the cancelled one's, which crossed the cancellation."""
    ask(tracker, "a", 1)
    cancelled = tracker.claim("a", UP, 1)
    assert cancelled is not None
    tracker.cancel(cancelled)
    again = ask(tracker, "a", 1)
    assert again.request.ambiguous
    tracker.answer(tracker.claim("a", UP, 1), ("a", UP, 1))
    tracker.answer(tracker.claim("a", UP, 1), ("a", UP, 1))
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.ambiguous, numbers.unmatched, numbers.late) == (1, 1, 1, 1)
    tracker.drop_session("a")
    assert not ask(tracker, "a", 1).ambiguous


def test_the_record_of_late_responses_is_bounded(time: Time) -> None:
    """A session that has every request time out costs no memory; nor do many sessions."""
    tracker = RequestTracker(time, timeout=1.0, max_per_session=9, max_pending=9)
    for n in range(3_000):
        ask(tracker, f"s{n % 7}", n)
        time.now += 1.0
        tracker.expire()
    assert tracker._given_up._count == sum(map(len, tracker._given_up._sessions.values())) == 1_024
    for n in range(7):
        tracker.drop_session(f"s{n}")
    assert (tracker._given_up._count, len(tracker._given_up._sessions)) == (0, 0)


def test_a_response_in_time_is_in_time_however_slow_its_record(
    tracker: RequestTracker, time: Time
) -> None:
    """It arrived before the time was over: answered, with the time until it came."""
    told: list[TrackedRequest] = []
    tracker._timed_out = told.append
    ask(tracker, "a", 1)
    late = ask(tracker, "a", 2)
    time.now = 9.5
    claimed = tracker.claim("a", UP, 1)
    time.now = 12.0
    assert tracker.expire() == 1
    assert told == [late]
    assert [each.request_id for each in tracker.pending()] == [1]
    assert [each.request_id for each in tracker.pending("a")] == [1]
    assert len(tracker) == 1
    tracker.answer(claimed)
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.timed_out, numbers.latency.max) == (1, 1, 9.5)
    assert (numbers.unmatched, numbers.pending, len(told)) == (0, 0, 1)


def test_a_cancellation_in_time_is_in_time(tracker: RequestTracker, time: Time) -> None:
    """It counts like a response; if it is refused, the request times out."""
    told: list[TrackedRequest] = []
    tracker._timed_out = told.append
    for n in (1, 2):
        ask(tracker, "a", n)
    time.now = 9.5
    claimed = [tracker.claim("a", UP, n) for n in (1, 2)]
    time.now = 11.0
    assert tracker.expire() == 0
    assert claimed[0] is not None
    assert claimed[1] is not None
    tracker.cancel(claimed[0])
    tracker.release(claimed[1])
    assert told == [claimed[1]]
    numbers = tracker.statistics()
    assert (numbers.cancelled, numbers.timed_out, numbers.pending) == (1, 1, 0)


def test_closing_leaves_what_is_being_answered(tracker: RequestTracker) -> None:
    """Its response was sent to the store: what became of it is counted as what it was."""
    for n in (1, 2, 3):
        ask(tracker, "a", n)
    answered, refused = tracker.claim("a", UP, 1), tracker.claim("a", UP, 2)
    assert refused is not None
    tracker.drop_all()
    assert tracker.statistics().pending == 2
    tracker.answer(answered)
    tracker.release(refused)
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.dropped, numbers.unmatched) == (1, 2, 0)
    assert adds_up(numbers)


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_a_refused_request_brings_the_older_one_back(
    tracker: RequestTracker, order: tuple[int, ...]
) -> None:
    """However refusals of the same id interleave: a refusal has no effect."""
    first = ask(tracker, "a", 1)
    later = [tracker.start("a", UP, 1, "ping") for _ in range(2)]
    for turn in order:
        if turn < 2:
            waiting = later[turn]
            assert waiting is not None
            tracker.withdraw(waiting)
        else:
            tracker.recorded(first)
    assert tracker.find("a", UP, 1) == first.request
    assert tracker.pending() == [first.request]
    tracker.answer(tracker.claim("a", UP, 1))
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.withdrawn, numbers.pending) == (1, 2, 0)
    assert tracker.sessions_awaiting(UP, 1) == ()


def test_a_session_that_ends_takes_its_requests_along(tracker: RequestTracker) -> None:
    """Only its own; they are not found any more."""
    for session in ("a", "a", "b"):
        ask(tracker, session, session)
    ask(tracker, "a", 7)
    tracker.drop_session("a")
    tracker.drop_session("unknown")
    assert [request.session_id for request in tracker.pending()] == ["b"]
    assert (tracker.pending("a"), tracker.sessions_awaiting(UP, 7)) == ([], ())
    numbers = tracker.statistics()
    assert (numbers.dropped, numbers.superseded) == (3, 0)


def test_a_response_on_its_way_survives_the_end_of_its_session(tracker: RequestTracker) -> None:
    """It was sent before the end: in the log, it counts; refused, the request is dropped."""
    claimed = [tracker.claim("a", UP, ask(tracker, "a", n).request.request_id) for n in (1, 2)]
    tracker.drop_session("a")
    assert tracker.statistics().pending == 2
    tracker.answer(claimed[0])
    assert claimed[1] is not None
    tracker.release(claimed[1])
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.dropped, numbers.pending) == (1, 1, 0)


def test_one_response_answers_a_request(tracker: RequestTracker) -> None:
    """A second one, at the same time or later, is of no request."""
    waiting = ask(tracker, "a", 1)
    first, second = tracker.claim("a", UP, 1), tracker.claim("a", UP, 1)
    assert (first, second) == (waiting, None)
    tracker.answer(first)
    tracker.answer(second)
    tracker.answer(tracker.claim("a", UP, 1))
    numbers = tracker.statistics()
    assert (numbers.answered, numbers.unmatched) == (1, 2)


def test_an_id_too_long_to_keep_is_not_kept(tracker: RequestTracker) -> None:
    """Memory stays bounded whatever ids are sent; such requests are counted apart."""
    long: list[str | int] = ["x" * 1_025, 1 << 1_024, -(1 << 1_024)]
    assert [tracker.start("a", UP, each, "ping") for each in long] == [None] * 3
    assert tracker.start("a", UP, "x" * 1_024, "m" * 10_000) is not None
    assert [len(request.method) for request in tracker.pending()] == [128]
    numbers = tracker.statistics()
    assert (numbers.untracked, numbers.started) == (3, 1)


def test_the_sessions_waiting_for_an_id_are_found(tracker: RequestTracker) -> None:
    """For a transport that has lost the session: of one id and direction, several possible."""
    for session, request_id, way in (("a", 1, UP), ("b", 1, UP), ("c", 1, DOWN), ("a", "1", UP)):
        ask(tracker, session, request_id, way)
    assert sorted(tracker.sessions_awaiting(UP, 1)) == ["a", "b"]
    assert tracker.sessions_awaiting(DOWN, 1) == ("c",)
    assert tracker.sessions_awaiting(UP, "1") == ("a",)
    assert tracker.sessions_awaiting(UP, 2) == ()


def test_the_end_of_the_last_one_is_reported(tracker: RequestTracker) -> None:
    """Once the last one is settled, and not before."""
    told: list[int] = []
    tracker.when_none = lambda: told.append(len(tracker))
    ask(tracker, "a", 1)
    ask(tracker, "b", 1)
    tracker.drop_session("a")
    assert told == []
    tracker.drop_all()
    assert told == [0]
