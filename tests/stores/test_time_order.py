"""Rows in order of a moment, some of which are added with an earlier moment."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import Session
from sessionkeeper.backends.time_order import TimeOrder
from sessionkeeper.operations.session_row import SessionRow


def row(number: int, moment: float) -> SessionRow:
    """A row with a moment."""
    session = Session.new(transport_type="stdio", id=f"s{number}")
    return SessionRow(
        session, incarnation="", number=number, revision=number, wall=0.0, steady=moment
    )


def order() -> TimeOrder:
    """An order of no rows."""
    return TimeOrder(lambda each: each.steady_created_at)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(("add", "insert", "remove first", "remove")), st.integers(0, 9)),
        max_size=60,
    )
)
def test_the_first_row_is_the_one_of_the_first_moment(steps: list[tuple[str, int]]) -> None:
    """By moment and then by id, whichever way rows come and go."""
    ordered, there, now = order(), dict[int, SessionRow](), 10.0
    for number, (step, back) in enumerate(steps):
        if step in ("add", "insert"):
            now += back % 2
            new = row(number, now if step == "add" else now - back)
            (ordered.add if step == "add" else ordered.insert)(new)
            there[number] = new
        elif there:
            first = min(there.values(), key=lambda each: (each.steady_created_at, each.id))
            gone = first if step == "remove first" else [*there.values()][back % len(there)]
            assert ordered.remove(gone)
            assert not ordered.remove(gone)
            del there[gone.number]
        expected = min(
            there.values(), key=lambda each: (each.steady_created_at, each.id), default=None
        )
        assert ordered.first() is expected
        assert len(ordered) == len(there)


def test_rows_that_are_removed_leave_nothing_behind() -> None:
    """Also if nobody asks for the first one meanwhile, as when an import is undone."""
    ordered = order()
    ordered.add(row(0, 100.0))
    for number in range(1, 5_000):
        early = row(number, 1.0)
        ordered.insert(early)
        assert ordered.remove(early)
    kept = ordered._heap  # pyright: ignore[reportPrivateUsage]
    assert len(kept) < 100
