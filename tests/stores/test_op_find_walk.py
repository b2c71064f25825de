"""A walk from page to page, while sessions come and go: what its cursor promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from sessionkeeper import AtomicSessionStore, Session, SessionPage, SessionQuery
from sessionkeeper.operations.sweep_rules import LOOKS

from tests.support.sessions import close_session, fill, new_session, turns
from tests.support.stores import tables_of

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""

ALL = SessionQuery()
TAGGED = SessionQuery(tags_all=frozenset({"t"}))


async def pages(store: AtomicSessionStore, query: SessionQuery, limit: int) -> list[SessionPage]:
    """All pages, with nothing in between."""
    walk = [await store.find_sessions(query, limit=limit)]
    while walk[-1].cursor is not None:
        walk.append(await store.find_sessions(query, cursor=walk[-1].cursor, limit=limit))
    return walk


def ids(walk: list[SessionPage]) -> list[str]:
    """The ids that were found."""
    return [session.id for page in walk for session in page.sessions]


@pytest.mark.parametrize("limit", [1, 3, 10, 11])
@owned_too
async def test_pages_are_whole_and_the_last_has_no_cursor(
    store: AtomicSessionStore, limit: int
) -> None:
    """Not even when it is full."""
    for n in range(10):
        await store.create_session(new_session(f"s{n}"))
    walk = await pages(store, ALL, limit)
    assert ids(walk) == [f"s{n}" for n in range(10)]
    assert {len(page.sessions) for page in walk[:-1]} <= {limit}
    assert len(walk) == -(-10 // limit)


@pytest.mark.parametrize("seed", range(4))
@owned_too
async def test_a_session_present_during_the_walk_is_seen_exactly_once(
    store: AtomicSessionStore, seed: int
) -> None:
    """A session created or deleted meanwhile comes at most once; others keep their place."""
    random = Random(seed)
    stay = [f"stay{n}" for n in range(60)]
    go = [f"go{n}" for n in range(60)]
    for key in random.sample(stay + go, 120):
        await store.create_session(new_session(key))
    seen: list[str] = []

    async def disturb() -> None:
        for n, key in enumerate(random.sample(go, 60)):
            await store.delete_session(key)
            if n % 3 == 0:
                await store.create_session(new_session(key))  # at the end: another session
            await store.create_session(new_session(f"new{n}"))
            await close_session(store, random.choice(stay))
            await store.modify_session(
                random.choice(stay), lambda s: s.model_copy(update={"tags": {"x"}})
            )
            await asyncio.sleep(0)

    async def walk() -> None:
        cursor = "0"
        while True:
            page = await store.find_sessions(ALL, cursor=cursor, limit=random.randint(1, 9))
            seen.extend(f"{each.id} {each.created_at.timestamp()}" for each in page.sessions)
            if page.cursor is None:
                return
            cursor = page.cursor
            await turns(random.randint(0, 5))

    await asyncio.gather(walk(), disturb())
    assert max(Counter(seen).values()) == 1
    times = Counter(each.split()[0] for each in seen)
    assert [times[key] for key in stay] == [1] * 60


@owned_too
async def test_a_cursor_outlives_the_session_it_stands_on(store: AtomicSessionStore) -> None:
    """Valid as long as the store is, even if all are gone."""
    for n in range(10):
        await store.create_session(new_session(f"s{n}"))
    cursor = (await store.find_sessions(ALL, limit=5)).cursor
    await store.delete_session("s4")
    await store.delete_session("s5")
    again = [await store.find_sessions(ALL, cursor=cursor) for _ in range(2)]
    assert ids(again[:1]) == ["s6", "s7", "s8", "s9"]
    assert again[0] == again[1]
    for session in await store.list_sessions():
        await store.delete_session(session.id)
    assert await store.find_sessions(ALL, cursor=cursor) == SessionPage((), None)
    await store.create_session(new_session("s5"))
    assert ids([await store.find_sessions(ALL, cursor=cursor)]) == ["s5"]


@owned_too
async def test_a_cursor_past_the_end_finds_nothing(store: AtomicSessionStore) -> None:
    """It came from another store."""
    await store.create_session(new_session())
    assert await store.find_sessions(ALL, cursor="9" * 18) == SessionPage((), None)


async def test_a_page_reads_a_bounded_number_of_sessions(store: AtomicSessionStore) -> None:
    """Bounded work a page: pages without a match are empty, go on, and come to an end."""
    for n in range(0, 3 * LOOKS, 100):
        await asyncio.gather(
            *(
                store.create_session(new_session(f"s{each}", tags={"t"} if each == 2_500 else ()))
                for each in range(n, n + 100)
            )
        )
    tables: Any = tables_of(store, reading=True)
    looked = 0

    def counted(number: int) -> Any:
        nonlocal looked
        for row in type(tables).rows_after(tables, number):
            looked += 1
            yield row

    tables.rows_after = counted
    cursor: str | None = "0"
    found: list[Session] = []
    maximum = empty = 0
    while cursor is not None:
        looked = 0
        page = await store.find_sessions(TAGGED, cursor=cursor, limit=10)
        maximum = max(maximum, looked)
        found.extend(page.sessions)
        empty += not page.sessions
        assert page.cursor is None or int(page.cursor) > int(cursor)
        cursor = page.cursor
    assert [session.id for session in found] == ["s2500"]
    assert 0 < maximum <= LOOKS + 10 + 1
    assert empty == 2


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_many_missing_sessions_cost_little(store: AtomicSessionStore) -> None:
    """Where 3,000,000 sessions were deleted, a walk steps over their numbers at once."""
    tables = tables_of(store)
    await store.create_session(new_session("first"))
    await fill(store, 1, "first")
    tables._created._last += 3_000_000  # as if so many had come and gone
    await store.create_session(new_session("last"))
    walk = await pages(store, ALL, 10)
    assert ids(walk) == ["first", "last"]
    assert len(walk) == 1
    assert ids(await pages(store, TAGGED, 10)) == []


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_no_list_is_kept_for_a_principal_without_sessions(store: AtomicSessionStore) -> None:
    """Sessions that come and go for ever leave nothing behind in the order of creation."""
    for n in range(3_000):
        await store.create_session(new_session(f"s{n}"))
        if n:
            await store.delete_session(f"s{n - 1}")
    order = tables_of(store)._created
    assert list(order._blocks) == order._indices == [3_000 // 1_024]
    assert ids(await pages(store, ALL, 1)) == ["s2999"]
