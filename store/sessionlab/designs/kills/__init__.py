"""Stores whose process is killed: what was acknowledged, beside what the file holds."""

from __future__ import annotations

from .cell import KILLS, kill_cell

__all__ = ["KILLS", "kill_cell"]
