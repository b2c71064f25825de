"""Runs all cells of a design of the user's own, whatever its process does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.limits import StoreLimits

from ..catalogue import Design
from ..misbehaviour import picture_of_end
from ..results import Cell, CellVerdict, Row
from .process import OwnProcess
from .protocol import Ended, Finished, Loaded, Refused, Running, Stuck, Task

__all__ = ["DEFAULT_TIMEOUT", "compare_own", "load_own"]

DEFAULT_TIMEOUT = 10.0
"""Seconds one run of a workload may take; it takes milliseconds."""


def load_own(name: str, /, *, timeout: float = DEFAULT_TIMEOUT) -> Design:
    """Return the design `module:Class`, loaded in a process of its own and not in this one.

    Raises `ValueError`, which says what is wrong with the name, or what its module did.
    """
    with OwnProcess(Task(name=name, pipe=-1, timeout=timeout)) as process:
        while True:
            message = process.receive()
            if isinstance(message, Loaded):
                return Design(name, _refuse_to_make, message.summary, None, isolated=True)
            if isinstance(message, Refused):
                raise ValueError(message.reason)
            if isinstance(message, Stuck):
                raise ValueError(f"{name!r}: {message.how}")
            if isinstance(message, Ended):
                raise ValueError(f"{name!r}: importing it {message.how}")


def compare_own(
    design: Design,
    columns: Sequence[str],
    *,
    seeds: int,
    loops: Sequence[str],
    timeout: float,
    progress: Callable[[str], object],
) -> Row:
    """Run every column; a column in which the process ended is broken, with the reason.

    A new process goes on with the next column. After a process that hung, the columns that are left
    are not run: each would take the whole time limit.
    """
    cells: list[Cell] = []
    hung = False

    def announce(column: str) -> None:
        progress(f"{design.name}: {column}")

    while len(cells) < len(columns) and not hung:
        left = tuple(columns[len(cells) :])
        task = Task(
            name=design.name,
            pipe=-1,
            timeout=timeout,
            seeds=seeds,
            loops=tuple(loops),
            columns=left,
        )
        with OwnProcess(task) as process:
            hung = _run_cells(process, left, cells, announce)
    for column in columns[len(cells) :]:
        announce(column)
        note = "not run, because it hung before"
        cells.append(Cell(column, CellVerdict.UNKNOWN, 0, "ended", None, note=note))
    return Row(design.name, design.summary, design.right, tuple(cells))


def _run_cells(
    process: OwnProcess,
    columns: Sequence[str],
    cells: list[Cell],
    announce: Callable[[str], None],
) -> bool:
    """Add a cell for each column that a process runs, at least one; return whether it hung."""
    done = 0
    announced = -1
    while done < len(columns):
        message = process.receive()
        if isinstance(message, Running) and announced < done:
            announce(columns[done])
            announced = done
        elif isinstance(message, Finished):
            cells.append(message.cell)
            done += 1
        elif isinstance(message, Stuck | Ended | Refused):
            if announced < done:
                if done:
                    return False  # between two cells: a new process goes on
                announce(columns[done])
            how = message.reason if isinstance(message, Refused) else message.how
            cells.append(_broken(columns[done], how))
            return isinstance(message, Stuck) or (isinstance(message, Ended) and message.hung)
    return False


def _broken(column: str, how: str) -> Cell:
    return Cell(column, CellVerdict.BROKEN, 1, "ended", picture_of_end(how), note=how)


def _refuse_to_make(_: StoreLimits | None) -> SessionStore:
    raise RuntimeError("this design is made in a process of its own")
