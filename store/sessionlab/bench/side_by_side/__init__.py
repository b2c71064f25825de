"""Our stores beside what one would use instead: in turns within one run, as ratios with spread.

Rule: a ratio of neighbours survives a busy machine, an absolute time does not. Read `rates`, then
`measures` (what is timed of one side) and `by_hand` (sides that no package brings), `servers`,
`lines` (the table), `run` and `results`.
"""

from __future__ import annotations

from .lines import LINES, Line, Side, select_lines
from .rates import Operation, Ratio, measure_ratio, throughput
from .results import Absent, ComparisonResult, LineResult, SideResult
from .run import ComparisonPlan, compare_sides
from .servers import EXAMPLES, Servers

__all__ = [
    "EXAMPLES",
    "LINES",
    "Absent",
    "ComparisonPlan",
    "ComparisonResult",
    "Line",
    "LineResult",
    "Operation",
    "Ratio",
    "Servers",
    "Side",
    "SideResult",
    "compare_sides",
    "measure_ratio",
    "select_lines",
    "throughput",
]
