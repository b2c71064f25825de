"""A log in memory: appended at the end, dropped at the front, and no memory kept for holes."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import MessageEnvelope
from sessionkeeper.backends.frame_log import FrameLog
from sessionkeeper.operations.frame_record import FrameRecord, pack


def records(first: int, count: int) -> list[FrameRecord]:
    """Records of different sizes."""
    return [
        pack(
            MessageEnvelope.of(
                "a",
                b'{"jsonrpc":"2.0","method":"x","params":[%d]}' % 10**n,
                direction="client-to-server",
            )
        )
        for n in range(first, first + count)
    ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.integers(0, 40)),
        st.tuples(st.just("drop"), st.integers(0, 200)),
    ),
    max_size=60,
)


@settings(max_examples=100)
@given(STEPS)
def test_a_log_is_a_queue_that_can_be_read_anywhere(steps: list[tuple[str, int]]) -> None:
    """It behaves like a deque in any order of calls; it returns the dropped bytes."""
    log, model, number = FrameLog(), deque[FrameRecord](), 0
    for step, count in steps:
        if step == "extend":
            new = records(number, count)
            number += count
            log.extend(new)
            model.extend(new)
        else:
            dropped = [model.popleft() for _ in range(min(count, len(model)))]
            assert log.drop(len(dropped)) == sum(len(each.message) for each in dropped)
        assert log.read(0, len(model)) == [*model]
        middle = len(model) // 2
        assert log.read(middle, 3) == [*model][middle : middle + 3]


def test_trimming_one_by_one_uses_no_more_memory() -> None:
    """Trimming for ever one by one costs no memory: holes are never the greater part for long."""
    log = FrameLog()
    log.extend(records(0, 10))
    for n in range(2_000):
        log.extend(records(n % 10, 1))
        log.drop(1)
        assert len(log) <= 2 * (10 + 64)
    assert len(log.read(0, 10)) == 10


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_dropped_frames_are_released(count: int) -> None:
    """At once, before its hole is closed."""

    log = FrameLog()
    log.extend(records(0, 200))
    log.drop(count)
    assert all(hole is None for hole in log[: log._dropped])
    assert len(log) - log._dropped == 200 - count


STREAMS = ("x", "y", None)
STREAM_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.lists(st.sampled_from(STREAMS), max_size=60)),
        st.tuples(st.just("drop"), st.integers(0, 200)),
    ),
    max_size=40,
)


def in_streams(first: int, streams: list[str | None]) -> list[FrameRecord]:
    """Records of these streams."""
    return [
        pack(
            MessageEnvelope.of_payload(
                "a", b"%d" % n, media_type="x/y", direction="client-to-server", stream=stream
            )
        )
        for n, stream in enumerate(streams, first)
    ]


@settings(max_examples=100)
@given(STREAM_STEPS)
def test_the_numbers_of_each_stream_follow_the_log(
    steps: list[tuple[str, list[str | None] | int]],
) -> None:
    """What is there, in order, in any part; nothing of what was dropped, however much that was."""
    log, there, last = FrameLog(), deque[tuple[int, str | None]](), 0
    for _, given_ in steps:
        if isinstance(given_, list):
            new = in_streams(last + 1, given_)
            log.extend(new)
            log.index_streams(new, last + 1)
            there.extend(enumerate(given_, last + 1))
            last += len(given_)
        else:
            dropped = [there.popleft() for _ in range(min(given_, len(there)))]
            log.drop(len(dropped))
        first = there[0][0] if there else last + 1
        for stream in ("x", "y", "z"):
            numbers = [number for number, name in there if name == stream]
            assert log.count_of(stream) == len(numbers)
            assert [*log.numbers_of(stream, first, last, None, newest=False)] == numbers
            middle = (first + last) // 2
            part = [number for number in numbers if middle <= number < last]
            assert [*log.numbers_of(stream, middle, last - 1, 2, newest=False)] == part[:2]
            assert [*log.numbers_of(stream, middle, last - 1, 2, newest=True)] == part[-2:]


def test_dropping_one_by_one_keeps_no_numbers_of_streams() -> None:
    """The index of a stream has no more holes than the log."""
    log = FrameLog()
    for n in range(1, 2_001):
        new = in_streams(n, ["x"])
        log.extend(new)
        log.index_streams(new, n)
        if n > 10:
            log.drop(1)
        assert log._streams is not None
        assert len(log._streams["x"]) <= 2 * (10 + 64)
    assert [*log.numbers_of("x", 0, 5_000, None, newest=False)] == [*range(1_991, 2_001)]
