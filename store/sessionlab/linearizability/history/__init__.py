"""Histories: operations with their times and outcomes, written and read exactly.

Rule: a value read is the value written, with its type. Read `operation`, `exact`, `reading`, then a
format.
"""

from __future__ import annotations

__all__: list[str] = []
