"""The right designs keep every promise in every order tried; the wrong ones are all caught."""

from __future__ import annotations

import asyncio
import inspect
import math
from pathlib import Path

import pytest
import sessionlab.designs.wrong
from sessionkeeper import PlainSessionStore, SQLiteSessionStore
from sessionlab.designs import (
    COLUMNS,
    DESIGNS,
    RIGHT,
    WORKLOADS,
    WRONG,
    CellVerdict,
    Design,
    Workload,
    explore_cell,
    kill_cell,
    stress_cell,
)
from sessionlab.designs import wrong as shipped

from tests.conftest import LoopFactory

SEEDS = 200
"""With four right designs and fifteen workloads, one of them not offered: 11,800 schedules."""

explored = pytest.mark.parametrize(
    "design", [each for each in RIGHT if each.explored], ids=lambda design: design.name
)
right = pytest.mark.parametrize("design", RIGHT, ids=lambda design: design.name)
wrong = pytest.mark.parametrize("design", WRONG, ids=lambda design: design.name)
workloads = pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)


@wrong
def test_each_wrong_design_is_caught_by_its_name(design: Design) -> None:
    """Within 200 seeds, in the workload for it, and the anomaly named rightly."""
    assert design.flaw is not None
    if design.file is None:
        cell = explore_cell(design, WORKLOADS[design.flaw.shown_in], seeds=SEEDS, loops={})
    else:
        cell = kill_cell(design, kills=SEEDS, seconds=math.inf)
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None
    assert cell.picture.anomaly == design.flaw.anomaly
    assert cell.histories <= SEEDS
    assert cell.how == ("explored" if design.file is None else "killed")


@pytest.mark.parametrize("seeds", [20, pytest.param(SEEDS, marks=pytest.mark.long)])
@explored
@workloads
def test_no_alarm_on_a_right_design(design: Design, workload: Workload, seeds: int) -> None:
    """All promises hold in every order; only the known methods are not offered."""
    cell = explore_cell(design, workload, seeds=seeds, loops={})
    if (design.name, workload.name) == ("owned", "batches"):
        assert cell.verdict is CellVerdict.NOT_OFFERED
    else:
        assert (cell.verdict, cell.histories) == (CellVerdict.HOLDS, seeds)
        assert cell.picture is None


@right
@workloads
def test_no_alarm_on_a_right_design_on_a_real_loop(
    design: Design, workload: Workload, loop_factory: LoopFactory
) -> None:
    """The same on the loop of the suite, whose order cannot be changed."""
    cell = stress_cell(design, workload, runs=10, loops={"loop": loop_factory}, seconds=math.inf)
    if (design.name, workload.name) == ("owned", "batches"):
        assert cell.verdict is CellVerdict.NOT_OFFERED
    else:
        assert (cell.verdict, cell.histories) == (CellVerdict.HOLDS, 10)
        assert cell.how == "stress"


@pytest.mark.parametrize("name", ["read-modify-write", "count-apart", "cancelled-under-lock"])
def test_stress_finds_what_happens_in_the_default_order(
    name: str, loop_factory: LoopFactory
) -> None:
    """On a real loop too the anomaly is named, a cancellation among what it tries."""
    design = DESIGNS[name]
    assert design.flaw is not None
    workload = WORKLOADS[design.flaw.shown_in]
    # Bounded by runs: on a busy machine there is time for a few only.
    cell = stress_cell(design, workload, runs=2_000, loops={"loop": loop_factory}, seconds=math.inf)
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None
    assert cell.picture.anomaly == design.flaw.anomaly
    assert cell.picture.token is None


@wrong
def test_a_wrong_design_is_right_in_what_it_does_not_get_wrong(design: Design) -> None:
    """Two designs break isolation: one ignores the session, one applies refused commands."""
    loops = {"asyncio": asyncio.new_event_loop}
    cell = explore_cell(design, WORKLOADS["isolation"], seeds=20, loops=loops)
    blamed = design.name in ("frames-without-session", "refused-and-applied")
    assert (cell.verdict is CellVerdict.BROKEN) is blamed


def test_each_wrong_design_is_short_and_says_what_it_does() -> None:
    """Under 60 lines, a docstring that begins with the anomaly, all of them in the catalogue."""
    folder = Path(sessionlab.designs.wrong.__file__).parent
    files = [file for file in folder.glob("*.py") if file.stem != "__init__"]
    assert len(files) == len(WRONG) == len(shipped.__all__) >= 12
    assert all(len(file.read_text().splitlines()) < 60 for file in files)
    made = {type(design.make(None)) for design in WRONG}
    assert made == {getattr(shipped, name) for name in shipped.__all__}
    for design in WRONG:
        store = design.make(None)
        assert isinstance(store, PlainSessionStore | SQLiteSessionStore)
        assert ":" in (inspect.getdoc(type(store)) or "")
        assert design.summary.partition(":")[0].islower() is False
        assert design.flaw is not None
        assert design.flaw.shown_in in dict(COLUMNS)


def test_every_design_can_be_made_with_limits() -> None:
    """Then the workload of limits tests each of them."""
    limits = WORKLOADS["limits"].limits
    assert limits is not None
    assert all(design.make(limits) is not None for design in DESIGNS.values())


def test_each_flaw_is_of_a_kind_of_its_own_or_twice_at_most() -> None:
    """The catalogue has breadth: fourteen names for seventeen designs."""
    kinds = [design.flaw.anomaly for design in WRONG if design.flaw is not None]
    assert len(set(kinds)) >= 14
