"""Rows in order of their last activity, in blocks, walked backwards from any moment."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import Session
from sessionkeeper.backends import activity_order
from sessionkeeper.backends.activity_order import ActivityOrder, ActivityRow
from sessionkeeper.values.clock import micros


def row(number: int) -> ActivityRow:
    """A row that is in no order yet."""
    session = Session.new(transport_type="stdio", id=f"s{number}")
    made = ActivityRow(
        session, incarnation="", number=number, revision=number, wall=0.0, steady=0.0
    )
    made.block = None
    return made


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(("add", "add", "add", "remove", "first")), st.integers(0, 9)),
        max_size=80,
    )
)
def test_rows_are_in_the_order_of_their_moments(steps: list[tuple[str, int]]) -> None:
    """Moved to the end, removed and put in order, in blocks of two that come and go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity_order, "_BLOCK", 2)
        rows, ordered, there, now = [row(n) for n in range(10)], ActivityOrder(), set[int](), 5.0
        for turn, (step, n) in enumerate(steps):
            each = rows[n]
            if step == "add":
                now += turn % 3 // 2  # every third one is of a later moment
                each.steady_active_at = now
                ordered.add(each)
                there.add(n)
            elif step == "remove":
                assert ordered.remove(each) is (n in there)
                there.discard(n)
            alive = [rows[n] for n in there]
            first = min(alive, key=lambda one: (one.steady_active_at, one.id), default=None)
            assert ordered.first() is first
            assert len(ordered) == len(there)
            for until in (None, 4e6, now * 1e6 - 1e6, now * 1e6):
                walked = [*ordered.newest(until)]
                moments = [moment for moment, _ in walked]
                assert moments == sorted(moments, reverse=True)
                wanted = {
                    one.number
                    for one in alive
                    if until is None or one.steady_active_at * 1e6 <= until
                }
                assert sorted(one.number for _, one in walked) == sorted(wanted)


def test_a_deep_page_looks_at_one_block_more_than_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many rows are later."""
    ordered = ActivityOrder()
    for n in range(50_000):
        each = row(n)
        each.steady_active_at = float(n)
        ordered.add(each)
    looks = 0

    def counted(seconds: float) -> float:
        nonlocal looks
        looks += 1
        return micros(seconds)

    monkeypatch.setattr(activity_order, "micros", counted)
    page = [*islice(ordered.newest(10_000e6 + 0.5), 100)]
    assert [each.number for _, each in page] == [*range(10_000, 9_900, -1)]
    assert len(ordered._blocks) == -(-50_000 // 1_024)
    assert looks <= 1_024 + 100


def test_blocks_without_rows_are_dropped() -> None:
    """A few rows that are used again and again leave nothing behind."""
    ordered, rows = ActivityOrder(), [row(n) for n in range(3_000)]
    for turn in range(30_000):
        each = rows[turn * 7 % 3_000]
        each.steady_active_at = float(turn)
        ordered.add(each)
    assert len(ordered._blocks) <= 5
    for each in rows:
        assert ordered.remove(each)
    assert ordered.first() is None
    assert [*ordered.newest(None)] == []
    assert len(ordered._blocks) == 1
