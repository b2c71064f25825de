"""Rows in order of a key, which come, move and go at any place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import Session
from sessionkeeper.backends import sorted_rows
from sessionkeeper.backends.sorted_rows import SortedRows
from sessionkeeper.operations.session_row import SessionRow

_BLOCK = 2


def row(number: int) -> SessionRow:
    """A row with a number."""
    session = Session.new(transport_type="stdio", id=f"s{number}")
    return SessionRow(session, incarnation="", number=number, revision=number, wall=0.0, steady=0.0)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(("put", "put", "put", "remove")), st.integers(0, 9)),
        max_size=60,
    )
)
def test_the_first_row_is_the_one_of_the_first_key(steps: list[tuple[str, int]]) -> None:
    """By moment and then by text, in blocks that are split and dropped."""
    before, sorted_rows._BLOCK = sorted_rows._BLOCK, _BLOCK  # pyright: ignore
    try:
        rows = [row(number) for number in range(6)]
        ordered, there = SortedRows(), dict[int, tuple[float, str]]()
        for turn, (step, moment) in enumerate(steps):
            each = rows[turn * 5 % 6]
            if step == "put":
                there[each.number] = (moment, each.id)
                ordered.put(each, moment, each.id)
            else:
                assert ordered.remove(each) is (there.pop(each.number, None) is not None)
            first = ordered.first()
            expected = min(there.items(), key=lambda one: one[1], default=(None, ""))[0]
            assert (None if first is None else first.number) == expected
            assert len(ordered) == len(there)
    finally:
        sorted_rows._BLOCK = before  # pyright: ignore


def test_removing_all_leaves_nothing() -> None:
    """Many rows, put in one order and removed in another."""
    ordered, rows = SortedRows(), [row(number) for number in range(5_000)]
    for each in rows:
        ordered.put(each, each.number * 7_919 % 5_000, each.id)
    found = [ordered.first()]
    for each in rows:
        assert ordered.remove(each)
        found.append(ordered.first())
    assert found[0] is rows[0]
    assert found[-1] is None
    assert len(ordered) == 0
