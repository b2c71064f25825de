"""Decides whether a history is linearizable: histories of operations, models, and the checker.

Rule: nothing here knows sessions, stores or event loops. Read `history/operation`, `models/model`,
then `checker/check` and `checker/search`. `sessionlab` exports the public names.
"""

from __future__ import annotations

__all__: list[str] = []
