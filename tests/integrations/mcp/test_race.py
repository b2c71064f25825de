"""64 running calls whose clients come back: ours loses no event, theirs is printed as found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .race import SIDES, STEPS, kept_by, shown_to_bob

TASKS = 64
ALL = STEPS + 1


def report(side: str, where: str, kept: list[int]) -> None:
    """Print what was found."""
    counts = ", ".join(f"{number} of 8: {times}" for number, times in sorted(Counter(kept).items()))
    print(f"{side}, {where} worker: {counts} calls")


@pytest.mark.parametrize("other", [False, True], ids=["same worker", "other worker"])
async def test_ours_keeps_every_event(shared_url: str, tmp_path: Path, other: bool) -> None:
    kept = await kept_by("ours", shared_url, TASKS, tmp_path, other=other)
    report("ours", "other" if other else "same", kept)
    assert kept == [ALL] * TASKS


async def test_ours_shows_bob_nothing(store_url: str) -> None:
    assert await shown_to_bob("ours", store_url) == []


@pytest.mark.long
@pytest.mark.parametrize("other", [False, True], ids=["same worker", "other worker"])
@pytest.mark.parametrize("side", SIDES[1:])
@pytest.mark.filterwarnings("ignore")
async def test_theirs_is_reported(side: str, tmp_path: Path, other: bool) -> None:
    place = str(tmp_path / "events.db")
    report(
        side,
        "other" if other else "same",
        await kept_by(side, place, TASKS, tmp_path, other=other),
    )
    print(f"{side}: shown to bob: {await shown_to_bob(side, str(tmp_path / 'bob.db'))}")
