"""Results of a comparison: plain values for the terminal and the HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Bar", "Cell", "Comparison", "Picture", "Row", "CellVerdict"]


class CellVerdict(StrEnum):
    """The result for one guarantee of one design."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class Bar:
    """One call of a counterexample."""

    client: int
    name: str
    argument: str
    result: str
    call: int
    returned: int | None
    outcome: str
    """`ok`, `failed` or `unknown`."""
    point: float | None
    """Where it takes effect in the longest valid order; None if it is not placed."""
    blocked: bool
    """It could not be placed."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A counterexample."""

    anomaly: str
    why: str
    expected: str
    state: str
    """The state before the call that could not be placed."""
    bars: tuple[Bar, ...]
    token: str | None
    deviations: int | None
    interleaving: str
    operations: int
    """Number of operations in the whole history."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One guarantee of one design."""

    workload: str
    verdict: CellVerdict
    histories: int
    how: str
    """`explored`, `stress` or `killed`; `ended` if the process of the store did not survive it."""
    picture: Picture | None
    note: str = ""
    """What the store did in place of an answer: `raised SystemExit`; empty for an anomaly."""


@dataclass(frozen=True, slots=True)
class Row:
    """One design."""

    design: str
    summary: str
    right: bool | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row per design, one column per guarantee."""

    workloads: tuple[tuple[str, str], ...]
    """Name, and the promise in one sentence."""
    rows: tuple[Row, ...]
    seeds: int
    seconds: float
    versions: dict[str, str]
