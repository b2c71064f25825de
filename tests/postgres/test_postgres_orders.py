"""The order of activity within a tenth of a second, which the index does not hold, and across."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sessionkeeper import PostgresSessionStore, Session, SessionQuery
from sessionkeeper.backends.postgres import orders
from sessionkeeper.values.clock import Clock

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

# In sevenths of a tenth: some share a tenth, some do not, and none comes in order of creation.
STEPS = [9, 3, 14, 0, 7, 30, 6, 13, 1, 8, 21, 2]
BEGIN = -0.2


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresSessionStore]:
    """Sessions s0, s1, … that were last active at these steps, by a clock that began before 0."""
    now = BEGIN

    def steady() -> float:
        return now

    clock = Clock(wall=lambda: 1_700_000_000 + now, steady=steady)
    async with PostgresSessionStore(postgres_url, clock=clock) as store:
        for number in range(len(STEPS)):
            await store.create_session(Session.new(transport_type="stdio", id=f"s{number}"))
        for step in sorted(STEPS):
            now = BEGIN + step / 70
            await store.touch_session(f"s{STEPS.index(step)}")
        now = BEGIN + 1
        yield store


def by_activity() -> list[str]:
    """The ids, the one that was idle longest first."""
    return [f"s{STEPS.index(step)}" for step in sorted(STEPS)]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages_by_activity_are_in_order_within_a_tenth_and_across(
    store: PostgresSessionStore, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, each exactly once, wherever a page ends, and wherever a query of it does."""
    monkeypatch.setattr(orders, "_ROWS_A_QUERY", 2)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.find_sessions(
            SessionQuery(), order="last-activity", limit=limit, cursor=cursor
        )
        seen += [each.id for each in page.sessions]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen[::-1] == by_activity()


async def test_a_sweep_ends_the_longest_idle_first_within_a_tenth(
    store: PostgresSessionStore,
) -> None:
    """One at a time, then those that are left up to a moment in the middle of a tenth."""
    order = by_activity()
    first = await store.expire_sessions(idle=0.5, limit=1)
    assert [each.id for each in first] == order[:1]
    # Idle since step 7 or before: the clock is at step 70.
    rest = await store.expire_sessions(idle=62.5 / 70)
    assert [each.id for each in rest] == [each for each in order[1:] if step_of(each) <= 7]


def step_of(session_id: str) -> int:
    """When it was active."""
    return STEPS[int(session_id[1:])]
