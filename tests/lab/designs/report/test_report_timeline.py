"""Calls find their places: in the order of time, without overlap, each label in its bar."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from sessionlab.designs.report.timeline import Spacing, Timeline, is_open, lay_out
from sessionlab.designs.results import Bar
from sessionlab.pages.formatting import (
    clip,
    format_micros,
    format_rate,
    make_visible,
    measure_width,
)

SPACING = Spacing(moment=10, point=30, between=8, tail=40, length=lambda bar: 5.0 * bar.client + 60)


def random_bars(random: Random) -> list[Bar]:
    """Calls with and without an end, a point or a known outcome; a client's may overlap."""
    bars = []
    for _ in range(random.randint(0, 30)):
        call = random.randint(0, 30)
        returned = random.choice([None, call, call + random.randint(0, 9)])
        late = call + 9 if returned is None else returned
        bars.append(
            Bar(
                client=random.randint(-1, 4),
                name="n",
                argument="a",
                result="r",
                call=call,
                returned=returned,
                outcome="unknown"
                if returned is None
                else random.choice(["ok", "failed", "unknown"]),
                point=random.choice([None, random.uniform(call, late), float(call)]),
                blocked=False,
            )
        )
    return bars


@pytest.fixture(params=range(60))
def drawn(request: pytest.FixtureRequest) -> tuple[list[Bar], Timeline]:
    """Calls and their places."""
    bars = random_bars(Random(request.param))
    return bars, lay_out(bars, SPACING)


def test_positions_agree_with_time(drawn: tuple[list[Bar], Timeline]) -> None:
    """Later moments are further right; a return is never left of a call at the same time."""
    bars, timeline = drawn
    placed = timeline.placed
    assert [each.bar for each in placed] == bars
    for one in placed:
        for other in placed:
            if one.bar.call < other.bar.call:
                assert one.start < other.start
            if one.returned is not None and one.bar.returned is not None:
                if one.bar.returned < other.bar.call:
                    assert one.returned < other.start
                else:
                    assert one.returned > other.start
    for each in placed:
        if each.point is not None:
            assert each.start < each.point
            assert each.returned is None or each.bar.point is None or each.point < each.returned


def test_labels_fit_and_bars_of_a_row_do_not_overlap(drawn: tuple[list[Bar], Timeline]) -> None:
    """Each bar is as long as its label; the tail of an open one gives way, but not its point."""
    _, timeline = drawn
    for each in timeline.placed:
        assert each.end - each.start >= SPACING.length(each.bar)
        assert each.point is None or each.point < each.end <= timeline.end
        assert timeline.rows[each.row] == each.bar.client
    for row in range(len(timeline.rows)):
        inside = sorted((each.start, each.end) for each in timeline.placed if each.row == row)
        assert inside
        for (_, end), (start, _) in itertools.pairwise(inside):
            assert start - end >= SPACING.between - 0.001


def test_the_order_of_effect_is_numbered(drawn: tuple[list[Bar], Timeline]) -> None:
    """From 1, in the order of the points, with room for a badge each."""
    _, timeline = drawn
    points = sorted(
        (each.order, each.point, each.bar.point)
        for each in timeline.placed
        if each.order is not None and each.point is not None and each.bar.point is not None
    )
    assert [order for order, _, _ in points] == list(range(1, len(points) + 1))
    for (_, left, earlier), (_, right, later) in itertools.pairwise(points):
        assert earlier <= later
        assert right - left >= SPACING.point - 0.001


def test_open_calls_reach_on() -> None:
    """To the end, if nothing of the client follows."""
    bars = [
        Bar(0, "a", "", "", 0, None, "unknown", None, blocked=False),
        Bar(1, "b", "", "", 1, 9, "unknown", None, blocked=False),
        Bar(2, "c", "", "", 2, 20, "ok", None, blocked=False),
    ]
    timeline = lay_out(bars, SPACING)
    assert [is_open(bar) for bar in bars] == [True, True, False]
    assert [each.end == timeline.end for each in timeline.placed] == [True, True, False]
    assert timeline.placed[1].returned is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain שלום 漢字", "plain שלום 漢字"),
        ("\u202ea\u2066", "\\u202ea\\u2066"),
        ("\x00\n\x9b", "\\x00\\n\\x9b"),
        ("\udc80", "\\udc80"),
        ("a" * 401, "a" * 400 + "… (1 more)"),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """A very long text is cut, and the page says by how much."""
    assert make_visible(text) == shown


def test_labels_are_cut_to_columns() -> None:
    """Wide characters take two."""
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"
    assert clip("漢字漢", 5) == "漢字…"
    assert all(measure_width(clip("漢a" * 40, maximum)) <= maximum for maximum in range(1, 50))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (format_rate(0), "0"),
        (format_rate(12.345), "12.3"),
        (format_rate(999.9), "1 k"),
        (format_rate(41_234), "41.2 k"),
        (format_rate(412_345), "412 k"),
        (format_rate(999_700), "1 M"),
        (format_micros(0.5), "0.5 µs"),
        (format_micros(180.4), "180 µs"),
        (format_micros(12_345), "12.3 ms"),
        (format_micros(2_500_000), "2.5 s"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(shown: str, said: str) -> None:
    """Never more than anybody could measure."""
    assert shown == said
