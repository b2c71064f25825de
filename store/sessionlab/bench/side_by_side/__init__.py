"""Our stores beside what one would use instead: in turns within one run, as ratios with spread.

Rule: a ratio of neighbours survives a busy machine, an absolute time does not. Read `rates`, then
`measures` (what is timed of one side) and `by_hand` (sides that no package brings).
"""

from __future__ import annotations

from .rates import Operation, Ratio, measure_ratio, throughput

__all__ = ["Operation", "Ratio", "measure_ratio", "throughput"]
