"""A user's own store is compared like the others, by the methods it offers."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sessionlab.designs import (
    WORKLOADS,
    CellVerdict,
    Comparison,
    Row,
    compare,
    find_design,
    unexpected,
)

from tests.conftest import LoopFactory

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}


def compared(name: str, seeds: int = 8) -> tuple[Row, Comparison]:
    """One store's row."""
    comparison = compare([find_design(name)], seeds=seeds, loops=LOOPS)
    return comparison.rows[0], comparison


def verdicts(row: Row) -> dict[str, CellVerdict]:
    """The verdict for each promise."""
    return {cell.workload: cell.verdict for cell in row.cells}


def test_ten_methods_are_enough(own: str) -> None:
    """Operations beyond ten methods are not offered; all other promises hold."""
    row, comparison = compared(f"{own}:Ten")
    not_offered = {name for name, each in verdicts(row).items() if each is CellVerdict.NOT_OFFERED}
    assert not_offered == {"batches", "following", "watching", "limits", "kills"}
    assert set(verdicts(row).values()) == {CellVerdict.HOLDS, CellVerdict.NOT_OFFERED}
    assert (row.summary, row.right) == ("Ten methods, passed on.", None)
    assert unexpected(comparison) == ()


def test_a_lost_update_in_ten_methods_is_found(own: str) -> None:
    """Compare and set that does not compare."""
    row, comparison = compared(f"{own}:Forgetful")
    assert verdicts(row)["updates"] is CellVerdict.BROKEN
    [cell] = [cell for cell in row.cells if cell.workload == "updates"]
    assert cell.picture is not None
    assert cell.picture.anomaly == "lost update"
    assert f"{own}:Forgetful: updates is broken" in unexpected(comparison)


def test_a_job_for_the_loops_pool_is_explored(own: str) -> None:
    """`asyncio.to_thread` is a lane of the explorer."""
    row, _ = compared(f"{own}:ToThread")
    offered = [cell for cell in row.cells if cell.verdict is not CellVerdict.NOT_OFFERED]
    assert {cell.how for cell in offered} == {"explored"}
    assert verdicts(row)["updates"] is CellVerdict.HOLDS


def test_a_store_with_threads_runs_on_real_loops(own: str) -> None:
    """What cannot be explored is said to be stress; a deadlock of the explorer is no hang of it."""
    before = threading.excepthook
    row, comparison = compared(f"{own}:OwnThread")
    offered = [cell for cell in row.cells if cell.verdict is not CellVerdict.NOT_OFFERED]
    assert {(cell.how, cell.verdict) for cell in offered} == {("stress", CellVerdict.HOLDS)}
    assert all(cell.histories >= 8 for cell in offered)
    assert unexpected(comparison) == ()
    assert threading.excepthook is before


def test_stress_finds_a_lost_update_behind_threads(own: str) -> None:
    """Without a token: nobody can have this order again."""
    row, _ = compared(f"{own}:OwnThreadForgetful")
    [cell] = [cell for cell in row.cells if cell.workload == "updates"]
    assert (cell.how, cell.verdict) == ("stress", CellVerdict.BROKEN)
    assert cell.picture is not None
    assert cell.picture.token is None


def test_a_store_that_refuses_everything_is_not_reported_as_right(own: str) -> None:
    """A store that did nothing put no promise to the test."""
    row, comparison = compared(f"{own}:Socket")
    assert verdicts(row)["updates"] is CellVerdict.UNKNOWN
    assert f"{own}:Socket: updates is unknown" in unexpected(comparison)


def test_an_error_the_contract_does_not_have_is_a_broken_promise(own: str) -> None:
    """The error is named, but its text, which may contain anything, is not shown."""
    row, _ = compared(f"{own}:Raises")
    [cell] = [cell for cell in row.cells if cell.workload == "creation"]
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None
    assert cell.picture.anomaly == "unexpected error"
    assert "KeyError" in cell.picture.why
    assert "secret" not in cell.picture.why
    assert cell.picture.bars


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plane", "did you mean plain?"),
        ("nothing like it", "expected one of plain, locked"),
        ("own_stores:", "module:Class"),
        ("no_such_module:Store", "no module 'no_such_module'"),
        ("own_broken:Store", "importing it raised RuntimeError"),
        ("own_stores:Missing", "has no class 'Missing'"),
        ("own_stores:NoStore", "is not a SessionStore"),
        ("own_stores:Demanding", "cannot be made without where"),
    ],
)
def test_a_wrong_name_is_told_in_one_sentence(own: str, name: str, said: str) -> None:
    """`ValueError`, without the text of what somebody else's module raised."""
    with pytest.raises(ValueError, match=r".") as raised:
        find_design(name)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_function_may_make_the_store_but_must_make_one(own: str) -> None:
    """The object that it made is checked."""
    with pytest.raises(TypeError, match="did not make a SessionStore"):
        find_design(f"{own}:makes_none").make(None)
    assert WORKLOADS["limits"].limits is not None
    with pytest.raises(NotImplementedError, match="takes no limits"):
        find_design(f"{own}:Ten").make(WORKLOADS["limits"].limits)
