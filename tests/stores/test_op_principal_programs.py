"""Whatever a principal calls: it cannot tell whether another's session is there."""

from __future__ import annotations

import pytest
from principal_programs import run_programs

from tests.support.stores import DatabaseStore, Design


@pytest.mark.parametrize("managers", [False, True], ids=["store", "manager"])
async def test_another_principals_sessions_look_like_missing_ones(
    design: Design, managers: bool
) -> None:
    """Random programs: the same answers, errors in all they hold, and end, with them or without.

    What the contract admits is compared where the others' sessions have other ids: then revisions,
    cursors, limits, counters and events are the same too.
    """
    seeds = range(4 if design is DatabaseStore else 10)  # each step there is a transaction
    await run_programs(
        lambda limits, clock: design(limits=limits, clock=clock), seeds, managers=managers
    )
