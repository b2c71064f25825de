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


@settings(max_examples=100, deadline=None)
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
