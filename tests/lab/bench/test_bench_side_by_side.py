"""Sides take turns, and their ratios are of neighbouring rounds; no clock decides here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sessionlab.bench import Subject
from sessionlab.bench.peers import LogPeer, PeerStorage
from sessionlab.bench.report import render_comparison
from sessionlab.bench.side_by_side import (
    LINES,
    Absent,
    ComparisonPlan,
    ComparisonResult,
    Line,
    Side,
    compare_sides,
)
from sessionlab.bench.side_by_side import measures as timed

Asked = list[tuple[str, int]]


def pretended(name: str, rates: Iterator[float], asked: Asked) -> Side:
    """A side that says what it is told to, and notes how many calls it was asked for."""

    async def measure(_: Subject, calls: int) -> float:
        asked.append((name, calls))
        await asyncio.sleep(0)
        return next(rates)

    return Side(name, measure)


def line(asked: Asked, ours: list[float], *theirs: list[float], most: int = 1_000) -> Line:
    """A line of such sides, in memory."""
    sides = (pretended(f"other {n}", iter(rates), asked) for n, rates in enumerate(theirs))
    us = pretended("ours", iter(ours), asked)
    return Line("pretended", PeerStorage.MEMORY, us, tuple(sides), most)


def quiet(text: str, /, *, done: int, total: int) -> None:
    """Show nothing, and be sure that the steps are counted."""
    assert 0 <= done < total, text


async def test_a_ratio_is_that_of_neighbours_and_two_turns_do_not_count() -> None:
    """A machine that is half as fast in a round is so for both sides of it."""
    asked: Asked = []
    plan = ComparisonPlan(
        (line(asked, [9, 9, 100, 50, 80], [9, 9, 50, 25, 20]),), seconds=3, rounds=3
    )
    [found] = (await compare_sides(plan, tell=quiet)).lines
    [side] = found.theirs
    assert (side.ratio.median, side.ratio.low, side.ratio.high) == (2, 2, 4)
    assert (found.ours.median, side.per_second.median) == (80, 25)
    assert found.rounds == 3


async def test_each_round_begins_with_another_side_and_has_calls_for_its_time() -> None:
    """A tenth of a second of each: as many calls as fit, at most those of the line."""
    asked: Asked = []
    plan = ComparisonPlan((line(asked, [2e3] * 4, [1e9] * 4, [1] * 4),), seconds=0.2, rounds=2)
    await compare_sides(plan, tell=quiet)
    turns = [asked[at : at + 3] for at in range(0, len(asked), 3)]
    assert len(turns) == 4
    assert len({turn[0][0] for turn in turns[:3]}) == 3
    assert {calls for _, calls in turns[0]} == {128}
    assert dict(turns[3]) == {"ours": 200, "other 0": 1_000, "other 1": 64}


async def test_a_stop_keeps_the_rounds_that_all_sides_completed() -> None:
    """The one side that was a round ahead does not count more than the other."""
    asked: Asked = []
    plan = ComparisonPlan((line(asked, [1.0] * 99, [1.0] * 99),), rounds=90)
    result = await compare_sides(plan, tell=quiet, stopping=lambda: len(asked) >= 11)
    assert len(asked) == 11
    assert result.interrupted
    assert [each.rounds for each in result.lines] == [3]


async def test_a_line_whose_own_side_fails_is_named_and_left_out() -> None:
    """Nothing is compared with what there is not."""
    asked: Asked = []
    broken = replace(line(asked, [], [1.0] * 9), what="broken")
    plan = ComparisonPlan((broken, line(asked, [1.0] * 9, [2.0] * 9)), rounds=2)
    result = await compare_sides(plan, tell=quiet)
    assert [each.what for each in result.lines] == ["pretended"]
    assert [each.name for each in result.absent] == ["ours"]
    assert result.absent[0].reason.startswith("memory: broken: ")


@pytest.mark.parametrize("measure", [timed.adding, timed.appending])
async def test_the_first_call_of_each_caller_does_not_count(measure: timed.Measure) -> None:
    """It opens the caller's connection, where a side has one each."""
    log = Counts()
    assert await measure(log, 128) > 0
    assert log.added == 128 + timed.CALLERS
    assert log.closed


async def test_what_is_half_open_is_closed_and_the_first_error_is_the_one_that_counts() -> None:
    """A side that made its schema and found no connection leaves no schema."""

    class HalfOpen(Counts):
        async def open(self) -> None:
            raise ZeroDivisionError

        async def aclose(self) -> None:
            await super().aclose()
            raise AttributeError

    log = HalfOpen()
    with pytest.raises(ZeroDivisionError):
        await timed.adding(log, 128)
    assert log.closed
    assert not log.added


class Counts(LogPeer[bytes]):
    """A log that only counts."""

    added = 0
    closed = False

    async def create(self, key: str) -> None: ...

    def message(self, key: str, payload: bytes) -> bytes:
        return payload

    async def add(self, key: str, message: bytes) -> None:
        self.added += 1

    async def aclose(self) -> None:
        self.closed = True


def test_every_line_has_a_name_of_its_own_and_something_beside_it() -> None:
    """A result is found by its title and the name of the side."""
    pairs = [(each.title, side.name) for each in LINES for side in each.theirs]
    assert len(set(pairs)) == len(pairs)
    assert all(each.theirs for each in LINES)
    assert len({each.title for each in LINES}) == len(LINES)


def test_nothing_on_the_page_is_what_a_name_made_it() -> None:
    """Names are shown as they are written; a page of nothing says so."""
    result = ComparisonResult((), (Absent("<b>x", "<i>y"),), "uvloop", 1.0, True, {}, "2 cores")
    page = render_comparison(result)
    assert "&lt;b&gt;x" in page
    assert "<i>y" not in page
    assert "Nothing was measured" in page
    assert "interrupted" in page
