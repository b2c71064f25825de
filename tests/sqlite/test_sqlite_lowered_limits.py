"""Limits that are lowered between two openings of a file (Guarantees 8.7)."""

from __future__ import annotations

from pathlib import Path

from sessionkeeper import SQLiteSessionStore

from tests.support.lowered_limits import check_lowered_limits


async def test_content_above_a_lowered_limit_can_be_read_ended_and_deleted(tmp_path: Path) -> None:
    await check_lowered_limits(lambda limits: SQLiteSessionStore(tmp_path / "s.db", limits=limits))
