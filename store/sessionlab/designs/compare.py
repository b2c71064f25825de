"""Compares designs: one row per design, one column per guarantee. `bench` measures speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from time import perf_counter

from .. import AnomalyKind
from .catalogue import DESIGNS, Design, Flaw
from .cells import LoopFactory, explore_cell
from .kills import KILLS, kill_cell
from .own import DEFAULT_TIMEOUT, compare_own
from .results import Cell, CellVerdict, Comparison, Row
from .workloads import WORKLOADS

__all__ = [
    "COLUMNS",
    "DEFAULT_SEEDS",
    "available_loops",
    "compare",
    "unexpected",
]

COLUMNS = (*((each.name, each.promise) for each in WORKLOADS.values()), KILLS)
"""The guarantees that are compared: name, and the promise in one sentence."""

DEFAULT_SEEDS = 100


def available_loops() -> dict[str, LoopFactory]:
    """Return the event loops that are installed, by name: `asyncio`, and `uvloop` if it is."""
    loops: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ModuleNotFoundError:
        return loops
    return {**loops, "uvloop": uvloop.new_event_loop}


def compare(
    designs: Sequence[Design] = tuple(DESIGNS.values()),
    *,
    seeds: int = DEFAULT_SEEDS,
    loops: Mapping[str, LoopFactory] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Callable[[str], object] = lambda _: None,
    on_error: Callable[[Design], object] = lambda _: None,
) -> Comparison:
    """Run every design through every workload.

    Each cell tries `seeds` orders, or stops at the first that fails; a design that cannot be
    explored runs on each of `loops`. A store in a file is killed at most `seeds` times. An isolated
    design runs in a process of its own, where one run may take `timeout` seconds. `progress` is
    called before each step; each design has `len(COLUMNS)` steps. `on_error` is called after a cell
    in which a design raised what no promise allows, or hung; what it raises ends the comparison.

    Raises `ValueError` for seeds below 1, `RuntimeError` on a thread where a loop runs.
    """
    if seeds < 1:
        raise ValueError("seeds must be at least 1")
    loops = available_loops() if loops is None else loops
    begun = perf_counter()
    rows: list[Row] = []
    for design in designs:
        if design.isolated:
            names = [name for name, _ in COLUMNS]
            row = compare_own(
                design, names, seeds=seeds, loops=[*loops], timeout=timeout, progress=progress
            )
            rows.append(row)
            continue
        cells: list[Cell] = []
        for workload in WORKLOADS.values():
            progress(f"{design.name}: {workload.name}")
            cells.append(explore_cell(design, workload, seeds=seeds, loops=loops))
            if _may_lack_its_server(cells[-1]):
                on_error(design)
        progress(f"{design.name}: {KILLS[0]}")
        cells.append(kill_cell(design, kills=seeds))
        rows.append(Row(design.name, design.summary, design.right, tuple(cells)))
    return Comparison(
        workloads=COLUMNS,
        rows=tuple(rows),
        seeds=seeds,
        seconds=perf_counter() - begun,
        versions=_versions(),
    )


def _may_lack_its_server(cell: Cell) -> bool:
    if cell.verdict is not CellVerdict.BROKEN:
        return False
    hung = cell.picture is not None and cell.picture.anomaly == AnomalyKind.HANG.value
    return hung or bool(cell.note)


def unexpected(
    comparison: Comparison, designs: Sequence[Design] = tuple(DESIGNS.values())
) -> tuple[str, ...]:
    """Return one sentence for each result that is not as expected.

    A right design must keep every promise it makes. A wrong one must show its known anomaly. A
    user's own must be neither broken nor undecided. `designs` are the known ones.
    """
    flaws = {design.name: design.flaw for design in designs}
    return tuple(
        sentence for row in comparison.rows for sentence in _unexpected(row, flaws.get(row.design))
    )


def _unexpected(row: Row, flaw: Flaw | None) -> list[str]:
    if flaw is None:
        return [
            f"{row.design}: {cell.workload} is {cell.verdict.value}"
            + (f" ({cell.note})" if cell.note else "")
            for cell in row.cells
            if cell.verdict in (CellVerdict.BROKEN, CellVerdict.UNKNOWN)
        ]
    for cell in row.cells:
        if cell.workload != flaw.shown_in:
            continue
        if cell.picture is None:
            return [f"{row.design}: no {flaw.anomaly.value} was found in {cell.workload}"]
        if cell.picture.anomaly != flaw.anomaly.value:
            named = f"{cell.picture.anomaly}, not {flaw.anomaly.value}"
            return [f"{row.design}: {cell.workload} shows {named}"]
    return []


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for package in ("sessionkeeper", "uvloop"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
