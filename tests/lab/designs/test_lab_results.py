"""The result of a comparison: replayable cells, pictures, plain data."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from typing import Any, cast

import msgspec
import pytest
from sessionlab import AnyModel, Header, History, KeyValue, Operation, Outcome, Register, check
from sessionlab.designs import (
    COLUMNS,
    DESIGNS,
    WORKLOADS,
    CellVerdict,
    Comparison,
    Picture,
    compare,
    explore_cell,
    picture_of_component,
    picture_of_counterexample,
    replay_cell,
    unexpected,
)


def picture(design: str, workload: str) -> Picture:
    """The first counterexample of a cell."""
    cell = explore_cell(DESIGNS[design], WORKLOADS[workload], seeds=200, loops={})
    assert cell.picture is not None
    return cell.picture


def history(model: str, *operations: Operation) -> History:
    """A history that was not recorded here."""
    return History(header=Header(model=model), operations=operations)


def op(
    name: str, argument: Any, result: Any, call: int, returned: int | None, client: int = 0
) -> Any:
    """A call."""
    return Operation(
        client=client,
        name=name,
        argument=argument,
        result=result,
        call=call,
        returned=returned,
        outcome=Outcome.UNKNOWN if returned is None else Outcome.OK,
    )


@pytest.fixture(scope="module")
def small() -> Comparison:
    """Two designs compared."""
    designs = [DESIGNS["actor"], DESIGNS["read-modify-write"]]
    return compare(designs, seeds=5, loops={"asyncio": asyncio.new_event_loop})


def test_a_cell_is_replayed_by_its_token() -> None:
    """The same anomaly from the same calls, in one run."""
    first = picture("listing-over-awaits", "listing")
    assert first.deviations
    assert first.token is not None
    cell = replay_cell("listing-over-awaits", "listing", first.token)
    assert (cell.verdict, cell.histories) == (CellVerdict.BROKEN, 1)
    assert cell.picture is not None
    assert (cell.picture.anomaly, cell.picture.why) == (first.anomaly, first.why)
    assert [bar.name for bar in cell.picture.bars] == [bar.name for bar in first.bars]
    assert replay_cell("plain", "listing", first.token).verdict is CellVerdict.HOLDS
    assert replay_cell("owned", "batches", "x1:").verdict is CellVerdict.NOT_OFFERED


def test_a_cancellation_is_replayed_too() -> None:
    """A hang, which no history shows: the waiting calls are marked."""
    found = picture("bare-set-result", "cancellation")
    assert found.anomaly == "hang"
    assert "no task can run" in found.why
    assert any(bar.blocked and bar.returned is None for bar in found.bars)
    assert found.token is not None
    again = replay_cell("bare-set-result", "cancellation", found.token)
    assert again.picture is not None
    assert again.picture.anomaly == "hang"


@pytest.mark.parametrize(
    "names",
    [
        ("none", "updates", "x1:"),
        ("plain", "none", "x1:"),
        ("plain", "updates", "nonsense"),
        ("sqlite", "updates", "x1:"),
    ],
)
def test_an_unknown_cell_cannot_be_replayed(names: tuple[str, str, str]) -> None:
    """`ValueError`, which is not taken for something the store raised."""
    with pytest.raises(ValueError, match=r"."):
        replay_cell(*names)


def test_a_picture_shows_the_call_that_fits_nowhere() -> None:
    """Red, unplaced, with the state before it, and the order the tasks ran in."""
    found = picture("read-modify-write", "updates")
    blocked = [bar for bar in found.bars if bar.blocked]
    assert blocked
    assert all(bar.point is None for bar in blocked)
    assert any(bar.point is not None for bar in found.bars)
    assert "revision" in found.state
    assert found.expected == WORKLOADS["updates"].promise
    assert "client-1" in found.interleaving
    assert found.operations >= len(found.bars)


def test_points_lie_within_their_calls_in_the_order_that_works() -> None:
    """Each takes effect between its call and its return; none after one that follows it."""
    operations = [op("put", ("x", str(n)), None, n, n + 7, client=n % 5) for n in range(0, 40, 2)]
    operations.append(op("get", ("x", None), "38", 90, 91))
    operations.append(op("get", ("x", None), "0", 92, 93))
    whole = history("kv", *operations)
    shown = picture_of_component(whole, check(whole, KeyValue()))
    assert len(shown.bars) == len(operations)
    placed = [bar for bar in shown.bars if bar.point is not None]
    assert len(placed) >= len(operations) - 1
    points = [bar.point for bar in placed]
    assert len(set(points)) == len(points)
    for bar in placed:
        assert bar.returned is not None
        assert bar.point is not None
        assert bar.call < bar.point < bar.returned


def test_pictures_are_of_any_model() -> None:
    """This includes a register; the smallest history comes first, the whole one on request."""
    calls = [op("write", n, None, 4 * n, 4 * n + 1) for n in range(30)]
    whole = history(
        "register", *calls, op("read", None, 3, 200, 201), op("read", None, 3, 300, 301)
    )
    result = check(whole, Register())
    small = picture_of_counterexample(whole, result, cast("AnyModel", Register()))
    assert small.anomaly == "stale read"
    assert len(small.bars) < 5 < len(picture_of_component(whole, result).bars)
    assert small.operations == 32


def test_a_history_of_ten_thousand_operations_has_a_picture() -> None:
    """All operations of the partition that is illegal, and none of the others."""
    random = Random(1)
    held = {"x": "", "y": ""}
    calls: list[Operation] = []
    for n in range(10_000):
        key = random.choice("xy")
        if random.random() < 0.5:
            held[key] = str(n)
            calls.append(op("put", (key, str(n)), None, 2 * n, 2 * n + 1))
        else:
            calls.append(op("get", (key, None), held[key], 2 * n, 2 * n + 1))
    calls.append(op("get", ("x", None), "never", 30_000, 30_001))
    whole = history("kv", *calls)
    shown = picture_of_component(whole, check(whole, KeyValue()))
    assert {bar.argument[1] for bar in shown.bars} == {"x"}
    assert 4_000 < len(shown.bars) < 6_000
    assert shown.bars[-1].blocked


def test_a_legal_history_has_no_picture() -> None:
    """`ValueError`."""
    whole = history("kv", op("put", ("x", "1"), None, 0, 1))
    with pytest.raises(ValueError, match="not illegal"):
        picture_of_counterexample(whole, check(whole, KeyValue()), KeyValue())


def test_payloads_and_ids_are_cut_short() -> None:
    """No whole message, no whole id, no long value in a picture."""
    secret = "S" * 200
    whole = history("kv", op("put", ("x", secret), None, 0, 1), op("get", ("x", None), "no", 2, 3))
    shown = picture_of_component(whole, check(whole, KeyValue()))
    assert secret not in str(shown)
    assert all(len(bar.argument) < 60 for bar in shown.bars)


def test_a_comparison_is_plain_data(small: Comparison) -> None:
    """Through JSON and back it is the same."""
    told = msgspec.json.encode(small)
    assert msgspec.json.decode(told, type=Comparison) == small
    assert [row.design for row in small.rows] == ["actor", "read-modify-write"]
    assert [name for name, _ in small.workloads] == list(dict(COLUMNS))
    assert all([cell.workload for cell in row.cells] == list(dict(COLUMNS)) for row in small.rows)
    assert small.versions["python"]
    assert small.seeds == 5


def test_an_unexpected_result_is_reported(small: Comparison) -> None:
    """A right design that is broken, a wrong one that is not caught, or is under another name."""
    assert unexpected(small) == ()
    actor, flawed = small.rows
    held = tuple(replace(cell, verdict=CellVerdict.HOLDS, picture=None) for cell in flawed.cells)
    [said] = unexpected(replace(small, rows=(replace(flawed, cells=held),)))
    assert said == "read-modify-write: no lost update was found in updates"
    renamed = tuple(
        replace(cell, picture=cell.picture and replace(cell.picture, anomaly="gap"))
        for cell in flawed.cells
    )
    [said] = unexpected(replace(small, rows=(replace(flawed, cells=renamed),)))
    assert said == "read-modify-write: updates shows gap, not lost update"
    broken = tuple(replace(cell, verdict=CellVerdict.BROKEN) for cell in actor.cells[:1])
    [said] = unexpected(replace(small, rows=(replace(actor, cells=broken),)))
    assert said == "actor: updates is broken"


def test_progress_is_told_before_each_step() -> None:
    """One step a guarantee."""
    steps: list[str] = []
    compare([DESIGNS["plain"]], seeds=1, loops={}, progress=steps.append)
    assert len(steps) == len(COLUMNS)
    assert steps[0] == "plain: updates"
    with pytest.raises(ValueError, match="seeds"):
        compare([], seeds=0)


def test_a_picture_shows_a_session_by_its_id_revision_and_state() -> None:
    """Whatever fields a store's snapshots have besides."""
    drawn = picture("read-modify-write", "updates")
    shown = [bar.result for bar in drawn.bars if bar.name == "modify_session"]
    assert {each[: len("a revision 2 initializing")] for each in shown} == {
        f"a revision {revision} initializing" for revision in (2, 3, 4)
    }
    assert drawn.why.endswith("'a' is initializing at revision 2 with no frames")
