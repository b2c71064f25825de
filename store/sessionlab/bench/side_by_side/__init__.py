"""Our stores beside what one would use instead: in turns within one run, as ratios with spread.

Rule: a ratio of neighbours survives a busy machine, an absolute time does not. Read `rates`, then
`measures` (what is timed of one side) and `by_hand` (sides that no package brings), `lines` (the
table), `run` and `results`.
"""

from __future__ import annotations

from .lines import LINES, Line, Side, select_lines
from .rates import Operation, Ratio, measure_ratio, throughput
from .results import Absent, ComparisonResult, LineResult, SideResult
from .run import ComparisonPlan, compare_sides

__all__ = [
    "LINES",
    "Absent",
    "ComparisonPlan",
    "ComparisonResult",
    "Line",
    "LineResult",
    "Operation",
    "Ratio",
    "Side",
    "SideResult",
    "compare_sides",
    "measure_ratio",
    "select_lines",
    "throughput",
]
