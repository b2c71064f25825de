"""A page of a million sessions, in both orders, and a sweep that finds nothing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from harness import Number
from postgres_sides import Scene, connected, opened
from sessionkeeper import SessionQuery
from sessionkeeper.backends.postgres.schema import WRITTEN_COLUMNS

__all__ = ["fill", "find_among_a_million"]

SESSIONS = 1_000_000
PAGE = 100
PLACES = 20
PAGES_A_PLACE = 10

COLUMNS = ", ".join(WRITTEN_COLUMNS["logs"])
# What creating each of them would write, copied from the session that the store created. Each was
# active 50 ms after the one before, all within 14 hours.
FILL = (
    "INSERT INTO sessions SELECT (jsonb_populate_record(first, jsonb_build_object('number', n,"
    " 'revision', n, 'id', 'f' || lpad(n::text, 35, '0')))).*"
    " FROM sessions AS first, generate_series($1::bigint, $2::bigint) AS n WHERE number = 1",
    f"INSERT INTO logs ({COLUMNS}) SELECT {COLUMNS} FROM (SELECT (jsonb_populate_record(first,"
    " jsonb_build_object('session', n, 'revision', n,"
    " 'steady_active_at', steady_active_at + (n - 1000000) * 0.05,"
    " 'last_activity', last_activity + (n - 1000000) * 0.05))).*"
    " FROM logs AS first, generate_series($1::bigint, $2::bigint) AS n WHERE session = 1) AS made",
    "UPDATE meta SET last_number = $2 WHERE $1::bigint > 0",
)
ACTIVITY = "SELECT session, steady_active_at FROM logs WHERE session = ANY($1::bigint[])"


async def find_among_a_million(url: str) -> list[Number]:
    """Pages from everywhere, all of them full; then with a filter that finds next to nothing."""
    async with opened(url, 1) as scene:
        async with connected(url, scene.schema) as connection:
            await fill(connection)
        return [
            await pages(scene, "", "created"),
            await pages(scene, ", by last activity", "last-activity"),
            await in_vain(scene),
            await timed(
                "a sweep of 1,000,000 that finds nothing",
                5,
                lambda: scene.store.expire_sessions(idle=86_400.0, age=86_400.0),
            ),
            await timed("statistics of 1,000,000", 0, scene.store.statistics),
        ]


async def fill(connection: Any) -> None:
    """Make sessions up to a million."""
    first = await connection.fetchval("SELECT max(number) + 1 FROM sessions")
    for statement in FILL:
        await connection.execute(statement, first, SESSIONS)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")


async def pages(scene: Scene, what: str, order: str) -> Number:
    """Follow the cursor from several places."""
    took: list[float] = []
    seen: set[str] = set()
    every = SessionQuery()
    for place in await places(scene, order):
        cursor: str | None = place
        for _ in range(PAGES_A_PLACE):
            begun = time.perf_counter()
            page = await scene.store.find_sessions(every, limit=PAGE, cursor=cursor, order=order)
            took.append(1000 * (time.perf_counter() - begun))
            assert len(page.sessions) == PAGE
            seen.update(each.id for each in page.sessions)
            cursor = page.cursor
    assert len(seen) == PLACES * PAGES_A_PLACE * PAGE
    return line(f"find_sessions of 1,000,000, a page of 100{what}", 10, took)


async def places(scene: Scene, order: str) -> list[str]:
    """Cursors all over the order."""
    numbers = [1 + place * (SESSIONS // PLACES) for place in range(PLACES)]
    if order == "created":
        return [str(number) for number in numbers]
    # The newest come first, so the oldest place has as many and some more before it.
    numbers = [number + PAGES_A_PLACE * PAGE + PAGE for number in numbers]
    async with connected(scene.url, scene.schema) as connection:
        rows = await connection.fetch(ACTIVITY, numbers)
    return [f"{round(1e6 * row['steady_active_at'])}:{row['session']}" for row in rows]


async def in_vain(scene: Scene) -> Number:
    """A filter that finds nothing: a page looks at a bounded number of sessions."""
    rare = SessionQuery(tags_any=frozenset({"nobody-has-it"}))
    took: list[float] = []
    cursor: str | None = None
    for _ in range(PLACES):
        begun = time.perf_counter()
        page = await scene.store.find_sessions(rare, limit=PAGE, cursor=cursor)
        took.append(1000 * (time.perf_counter() - begun))
        assert not page.sessions
        cursor = page.cursor
    return line("find_sessions of 1,000,000, a page that looks in vain", 0, took)


async def timed(what: str, target: float, operation: Callable[[], Awaitable[object]]) -> Number:
    """So often, one after the other."""
    took: list[float] = []
    for _ in range(50):
        begun = time.perf_counter()
        await operation()
        took.append(1000 * (time.perf_counter() - begun))
    return line(what, target, took)


def line(what: str, target: float, took: list[float]) -> Number:
    """The median, with the first and the longest."""
    middle = median(took)
    return Number(
        what,
        f"<= {target:g} ms" if target else "",
        f"{middle:6.2f} ms ({min(took):.2f} to {max(took):.2f})",
        not target or middle <= target,
    )
