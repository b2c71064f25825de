"""Unit tests of the writer log and of waiting for replicas: requests and answers."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper import OutcomeUnknown
from sessionkeeper.backends.redis.client.call import Call
from sessionkeeper.backends.redis.delivery import writer_log as module
from sessionkeeper.backends.redis.delivery.replication import ReplicationRequirement
from sessionkeeper.backends.redis.delivery.request import OPEN, Request
from sessionkeeper.backends.redis.delivery.writer_log import OperationId, WriterLog
from sessionkeeper.backends.redis.keys import Keys
from sessionkeeper.backends.redis.scripts import script

KEYS = Keys("p", 2)
MANY, ONE = script("append", shared=1), script("touch")
RING, WINDOW = 8, 100.0


class Clock:
    """Stands in for the module `time` of the log."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def log(clock: Clock) -> WriterLog:
    """With an epoch in both buckets."""
    log = WriterLog(KEYS, ring=RING, window=WINDOW)
    begun(log, append(0), append(1))
    return log


def append(bucket: int = 0, weight: int = 1) -> Request:
    """A write that can share a call."""
    arguments = ["now", "one"]
    return Request(KEYS.buckets[bucket], MANY, ["k", "l"], arguments, write=True, weight=weight)


def touch(bucket: int = 0) -> Request:
    """A write that cannot."""
    return Request(KEYS.buckets[bucket], ONE, ["k"], ["now"], write=True)


def begun(log: WriterLog, *requests: Request) -> None:
    """Begin the epochs that these need, as a server with no log answers."""
    for bucket, lost, _ in log.fences(requests):
        assert log.accept(bucket, lost, [b"NEW"])


def sizes(log: WriterLog, requests: list[Request]) -> list[int]:
    """How many requests each call has; all of them, in their order."""
    calls = log.calls(requests)
    assert [each for _, group in calls for each in group] == requests
    return [len(group) for _, group in calls]


def words(call: Call) -> list[Any]:
    """The arguments after the keys, as text."""
    command: Any = call.command
    return [str(word) for word in command[3 + int(command[2]) :]]


def test_sixteen_operations_share_a_call(log: WriterLog) -> None:
    """Of one bucket and one script; the server runs nothing else meanwhile."""
    assert sizes(log, [append() for _ in range(16)]) == [16]
    assert sizes(log, [append() for _ in range(33)]) == [16, 16, 1]
    assert sizes(log, [append(0), append(0), append(1), append(0)]) == [2, 1, 1]
    assert sizes(log, [append(), append(), touch(), append(), touch()]) == [2, 1, 1, 1]


def test_a_quarter_of_a_mebibyte_is_the_most_in_a_shared_call(log: WriterLog) -> None:
    """A larger write is sent alone."""
    assert sizes(log, [append(weight=131_072) for _ in range(5)]) == [2, 2, 1]
    assert sizes(log, [append(weight=262_144), append(weight=0), append(weight=1)]) == [2, 1]
    assert sizes(log, [append(weight=9_000_000), append(), append()]) == [1, 2]


def test_each_bucket_counts_its_writes(log: WriterLog) -> None:
    """From 1; the place in the ring is what is left of the number; a repeated write keeps both."""
    first = [touch(0) for _ in range(10)] + [touch(1)]
    sent = [words(call)[1:3] for call, _ in log.calls(first)]
    assert sent == [[str(n), str(n % RING)] for n in range(1, 11)] + [["1", "1"]]
    again = log.calls([first[2], touch(0)])
    assert [words(call)[1:3] for call, _ in again] == [["3", "3"], ["11", "3"]]


def test_operations_of_a_shared_call_have_numbers_of_their_own(log: WriterLog) -> None:
    """The epoch and what they share once, then each with its number, place, and predecessor."""
    one, two = append(), append()
    two.behind = (one,)
    ((call, _),) = log.calls([one, two])
    _, *rest = words(call)
    assert rest == ["now", *("1", "1", "", "one"), *("2", "2", "1:1", "one")]
    command: Any = call.command
    assert int(command[2]) == len(module.fixed_keys(KEYS.buckets[0], log.writer)) + 4


def test_an_epoch_is_begun_where_none_is_held(clock: Clock) -> None:
    """Once for each bucket with a write; not for reads."""
    log = WriterLog(KEYS, ring=RING, window=WINDOW)
    read = Request(KEYS.buckets[0], ONE, ["k"], [])
    assert log.fences([read]) == []
    ((bucket, lost, call),) = log.fences([touch(0), touch(0)])
    assert (bucket, lost) == (KEYS.buckets[0], [])
    assert words(call)[1:] == ["125000", "1"], "kept for the window and a quarter; next is 1"
    assert log.accept(bucket, lost, [b"NEW"])
    assert log.fences([touch(0)]) == []
    assert not log.lost


def test_an_epoch_is_renewed_after_a_quarter_of_its_window(log: WriterLog, clock: Clock) -> None:
    """Not before."""
    clock.now += WINDOW / 4
    assert log.fences([touch(0)]) == []
    clock.now += 0.001
    assert len(log.fences([touch(0), touch(1)])) == 2
    assert log.fences([touch(0), touch(1)]) == [], "it was renewed now"


def test_a_forgotten_epoch_is_begun_again(log: WriterLog) -> None:
    """Only the epoch of that bucket."""
    log.forget(KEYS.buckets[0])
    assert [bucket for bucket, _, _ in log.fences([touch(0), touch(1)])] == [KEYS.buckets[0]]


def test_a_log_that_is_new_again_was_lost(log: WriterLog) -> None:
    """Where it had begun, the server forgot it."""
    bucket = KEYS.buckets[0]
    assert log.accept(bucket, [], [b"OK"])
    assert not log.lost
    assert log.accept(bucket, [], [b"NEW"])
    assert log.lost
    assert log.accept(bucket, [], [b"OK"])
    assert log.lost, "until the layout was looked at"


def test_a_fence_that_failed_is_raised_again(log: WriterLog) -> None:
    """It is not known whether the fence holds."""
    assert not log.accept(KEYS.buckets[0], [], [b"ERROR"])
    assert [bucket for bucket, _, _ in log.fences([touch(0), touch(1)])] == [KEYS.buckets[0]]


def test_what_became_of_lost_writes_is_asked_with_the_epoch(log: WriterLog) -> None:
    """Applied with its answer, not applied, or nobody knows."""
    lost = [touch(0) for _ in range(3)]
    log.calls(lost)
    for request in lost:
        request.maybe_applied = True
    ((bucket, asked, call),) = log.fences([*lost, touch(0), touch(1)])
    assert asked == lost
    assert words(call)[2:] == ["4", "1", "1", "2", "2", "3", "3"]
    assert log.accept(bucket, asked, [b"OK", [1, [b"OK", 5]], [0], [-1]])
    assert log.resolve(lost[0]) == [b"OK", 5]
    assert log.resolve(lost[1]) is OPEN
    unknown = log.resolve(lost[2])
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.operation_id == f"{log.writer}.{RING}.0.3"


def test_only_the_answer_fenced_means_that_an_epoch_is_over() -> None:
    """A write that it answers had no effect."""
    assert WriterLog.is_fenced([b"FENCED"])
    for other in ([b"OK"], [b"NEW"], [], b"FENCED", None, 0):
        assert not WriterLog.is_fenced(other)


def test_an_operations_id_is_read_back() -> None:
    """Its four parts, within their bounds."""
    made = OperationId.of("0123456789abcdef", 8, 1, 15)
    assert made.parts(2) == ("0123456789abcdef", 8, 1, 15)
    least = OperationId.of("0123456789abcdef", 1, 0, 1)
    assert least.parts(1) == ("0123456789abcdef", 1, 0, 1)
    with pytest.raises(ValueError, match="not an operation's id"):
        made.parts(1)


REPLICAS = ReplicationRequirement(2, timeout=1.5)
FILES = ReplicationRequirement(0, aof=True, timeout=0.0001)
BOTH = ReplicationRequirement(1, aof=True)


def test_what_a_write_waits_for_is_a_command() -> None:
    """In milliseconds, at least one; none where nothing is required."""
    assert ReplicationRequirement().command() is None
    assert ReplicationRequirement().probe() is None
    assert REPLICAS.command() == ("WAIT", 2, 1500)
    assert FILES.command() == ("WAITAOF", 1, 0, 1)
    assert BOTH.command() == ("WAITAOF", 1, 1, 1000)
    assert REPLICAS.probe() == ("WAIT", 0, 1)
    assert BOTH.probe() == ("WAITAOF", 1, 0, 1)


def test_an_answer_meets_the_requirement_or_not() -> None:
    """It needs this many replicas, and the primary's own file."""
    assert [REPLICAS.is_satisfied_by(n) for n in (0, 1, 2, 3)] == [False, False, True, True]
    assert [FILES.is_satisfied_by([n, 0]) for n in (0, 1, 2)] == [False, True, True]
    assert [BOTH.is_satisfied_by(each) for each in ([1, 0], [0, 1], [1, 1], [1, 2])] == [
        *(False, False, True, True)
    ]
    assert not any(BOTH.is_satisfied_by(each) for each in (None, [b"OK"], b"OK", [1]))


def test_what_is_promised_is_said_in_words() -> None:
    """The meaning of an acknowledgement."""
    memory = "applied in the primary's memory"
    assert ReplicationRequirement().promise == memory
    assert REPLICAS.promise == f"{memory}, applied by 2 replicas"
    assert ReplicationRequirement(1).promise == f"{memory}, applied by one replica"
    assert FILES.promise == f"{memory}, synced to its append-only file"
    assert BOTH.promise == f"{FILES.promise}, synced to that of one replica"
