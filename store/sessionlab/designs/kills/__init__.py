"""Kills the process of a store, and compares what was acknowledged with what the file holds.

Rule: a line about a call is written only after its acknowledgement. Read `protocol`, `kill_worker`,
`spawner`, `losses`, then `cell` and `drawing`.
"""

from __future__ import annotations

from .cell import KILLS, kill_cell

__all__ = ["KILLS", "kill_cell"]
