"""A race on one session: 64 tasks, and two processes, on ADK's own services and on ours.

Ours loses nothing, and `merge` refuses nothing. Theirs is printed as it was found.
"""

from __future__ import annotations

import pytest

from .race import EACH, SIDES, race_in_one, race_in_processes

TASKS = 64
OURS = SIDES[:2]


async def check(side: str, place: str, *, processes: bool) -> None:
    run = race_in_processes if processes else race_in_one
    raced = await run(side, place, TASKS)
    where = "two processes" if processes else "one process"
    print(f"{side}, {place.partition(':')[0]}, {where}: {raced}")
    if side in OURS:
        assert raced.lost == 0
        assert raced.events == len(raced.acknowledged) >= 1
        assert {*raced.errors} <= {"StaleSessionError"}
    if side == "merge":
        assert len(raced.acknowledged) == TASKS * EACH


@pytest.mark.parametrize("processes", [False, True], ids=["one process", "two processes"])
@pytest.mark.parametrize("side", OURS)
async def test_ours_loses_nothing(side: str, shared_url: str, processes: bool) -> None:
    await check(side, shared_url, processes=processes)


@pytest.mark.long
@pytest.mark.parametrize("processes", [False, True], ids=["one process", "two processes"])
@pytest.mark.parametrize("side", SIDES[2:])
@pytest.mark.filterwarnings("ignore")
async def test_theirs_is_reported(side: str, sqlite_url: str, processes: bool) -> None:
    await check(side, sqlite_url, processes=processes)
