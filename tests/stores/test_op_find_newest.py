"""`find_sessions(order="last-activity")`: the newest first, live and ended alike, page by page."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    InvalidTransition,
    SessionOrder,
    SessionPage,
    SessionQuery,
)
from sessionkeeper.backends import activity_order, sorted_rows
from sessionkeeper.operations.sweep_rules import LOOKS

from tests.support.sessions import FakeClock, close_session, new_session, note, turns
from tests.support.stores import DESIGNS, Design, tables_of

and_owned = pytest.mark.parametrize("design", [*DESIGNS, "owned"], indirect=True)
"""With the owner around ten methods."""

ALL = SessionQuery()
NEWEST = SessionOrder.LAST_ACTIVITY


async def walk(
    store: AtomicSessionStore,
    query: SessionQuery = ALL,
    *,
    limit: int = 100,
    between: Callable[[], Any] = lambda: None,
) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.find_sessions(query, order=NEWEST, cursor=cursor, limit=limit)
        assert len(page.sessions) <= limit
        found += [each.id for each in page.sessions]
        if page.cursor is None:
            return found
        assert page.cursor != cursor
        cursor = page.cursor
        if (waiting := between()) is not None:
            await waiting


@and_owned
async def test_the_newest_come_first_whether_they_live_or_not(design: Design) -> None:
    """Creation, frames and changes are activity, also of an ended session; an expiry is none."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in "abcdef":
            await store.create_session(new_session(key))
            clock.advance(1)
        assert await walk(store) == [*"fedcba"]
        await store.add_frame(note(1, "b"))
        clock.advance(1)
        await close_session(store, "d")
        clock.advance(1)
        assert await walk(store) == [*"dbfeca"]
        await close_session(store, "a")
        clock.advance(1)
        await store.modify_session("d", lambda s: s.model_copy(update={"tags": {"x"}}))
        clock.advance(1)
        assert await walk(store) == [*"dabfec"]
        await store.delete_frames("a")
        clock.wall -= 1e6  # a jump of the wall clock moves nobody
        clock.advance(1)
        await store.add_frame(note(1, "c"))
        for limit in (1, 2, 3, 5, 6, 7):
            assert await walk(store, limit=limit) == [*"cadbfe"]
        await store.delete_session("d")
        await store.create_session(new_session("d"))
        assert await walk(store, limit=2) == [*"dcabfe"]
        query = SessionQuery.model_validate({"statuses": ["active"]})
        assert await walk(store, query, limit=2) == [*"dcbfe"]


async def test_a_session_that_a_sweep_ends_stays_in_its_place(design: Design) -> None:
    """Its last activity is what it was."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in "abcd":
            await store.create_session(new_session(key))
            clock.advance(10)
        assert [each.id for each in await store.expire_sessions(idle=25)] == ["a", "b"]
        assert await walk(store, limit=1) == [*"dcba"]
        await store.purge_sessions(ended_for=0, limit=1)
        assert await walk(store, limit=1) == [*"dcb"]


@and_owned
async def test_of_one_moment_the_last_created_comes_first(design: Design) -> None:
    """A clock that stands still: pages are whole all the same, live and ended mixed."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        keys = [f"s{n}" for n in range(40)]
        for key in keys:
            await store.create_session(new_session(key))
        for key in keys[::3]:
            await close_session(store, key)
        for key in keys[::2]:
            await store.add_frame(note(1, key)) if key not in keys[::3] else None
        for limit in (1, 7, 40):
            assert await walk(store, limit=limit) == keys[::-1]


async def test_archived_sessions_are_in_the_place_of_their_own_time(design: Design) -> None:
    """One that has ended was active when it says; one that lives was active when it came."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for age, key in ((5, "e5"), (3, "e3"), (4, "live"), (9, "e9")):
            created = await store.create_session(new_session(key))
            moment = clock.moment() - timedelta(days=age)
            times: dict[str, object] = {"created_at": moment, "last_activity": moment}
            if key != "live":
                times |= {"state": "closed", "ended_at": moment + timedelta(hours=1)}
            archived = created.model_copy(update=times)
            await store.archive_session(archived, expected_last_seq=0)
            clock.advance(1)
        await store.create_session(new_session("new"))
        assert await walk(store, limit=2) == ["new", "live", "e3", "e5", "e9"]


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_not_used_is_seen_exactly_once(
    design: Design, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others at most once, in blocks that come and go; a sweep between two pages hides nobody."""
    monkeypatch.setattr(activity_order, "_BLOCK", 8)
    monkeypatch.setattr(sorted_rows, "_BLOCK", 4)
    random, clock = Random(seed), FakeClock()
    async with design(clock=clock.as_clock()) as store:
        keys = [f"s{n}" for n in range(120)]
        random.shuffle(keys)
        for key in keys:
            await store.create_session(new_session(key))
            clock.advance(random.choice((0, 0, 1e-6, 1)))
        stay, used = keys[::2], keys[1::2]
        for key in random.sample(stay, 20):
            await close_session(store, key)

        async def disturb() -> None:
            for _ in range(random.randrange(4)):
                key = random.choice(used)
                match random.randrange(4):
                    case 0:
                        await store.delete_session(key)
                        await store.create_session(new_session(key))
                    case 1:
                        session = await store.get_session(key)
                        if session.ended_at is None:
                            await store.add_frame(note(1, key))
                    case 2:
                        with suppress(InvalidTransition):
                            await close_session(store, key)
                    case _:
                        await store.expire_sessions(age=random.choice((10, 30)), limit=3)
                clock.advance(random.choice((0, 1e-6, 1)))

        seen = Counter(await walk(store, limit=random.randint(1, 9), between=disturb))
        assert max(seen.values()) == 1
        assert [key for key in stay if seen[key] != 1] == []


async def test_a_walk_races_with_use(design: Design) -> None:
    """On one loop, without a clock of ours: the same, whatever is done between and during pages."""
    async with design() as store:
        keys = [f"s{n}" for n in range(60)]
        for key in keys:
            await store.create_session(new_session(key))

        async def use() -> None:
            for n in range(200):
                key = keys[n * 7 % 30]
                await (close_session(store, key) if n % 9 == 0 else store.get_session(key))
                if (await store.get_session(key)).ended_at is None:
                    await store.touch_session(key)
                await turns(n % 3)

        found, _ = await asyncio.gather(walk(store, limit=4, between=lambda: turns(2)), use())
        seen = Counter(found)
        assert max(seen.values()) == 1
        assert [key for key in keys[30:] if seen[key] != 1] == []


@and_owned
async def test_a_cursor_belongs_to_its_order(store: AtomicSessionStore) -> None:
    """A cursor of one order, or of none, is refused for the other; so is what is no order."""
    for n in range(3):
        await store.create_session(new_session(f"s{n}"))
    newest = (await store.find_sessions(ALL, order="last-activity", limit=1)).cursor
    created = (await store.find_sessions(ALL, order="created", limit=1)).cursor
    assert created == (await store.find_sessions(ALL, limit=1)).cursor
    with pytest.raises(ValueError, match="not a cursor"):
        await store.find_sessions(ALL, cursor=newest)
    wrong = (
        created,
        "",
        ":",
        "1:",
        ":1",
        "1:2:3",
        "--1:2",
        "1:-2",
        "1.5:2",
        "9" * 19 + ":1",
        "٣:1",
    )
    for cursor in wrong:
        with pytest.raises(ValueError, match="not a cursor"):
            await store.find_sessions(ALL, order=NEWEST, cursor=cursor)
    for order in ("newest", "", "CREATED"):
        with pytest.raises(ValueError, match="an order is one of created, last-activity"):
            await store.find_sessions(ALL, order=order)
    no_order: Any
    for no_order in (None, 5, b"created"):
        with pytest.raises(TypeError):
            await store.find_sessions(ALL, order=no_order)
    for cursor in (f"-{'9' * 18}:0", "0:0"):
        page = await store.find_sessions(ALL, order=NEWEST, cursor=cursor)
        assert page == SessionPage((), None) or cursor == "0:0"


async def test_a_page_reads_a_bounded_number_of_sessions(store: AtomicSessionStore) -> None:
    """Pages without a match are empty, go on, and come to an end."""
    for n in range(0, 2 * LOOKS + 500, 100):
        await asyncio.gather(
            *(
                store.create_session(
                    new_session(f"s{each}", tags={"t"} if each in (0, 1_200) else ())
                )
                for each in range(n, n + 100)
            )
        )
    tables: Any = tables_of(store, reading=True)
    looked = 0

    def counted(after: Any) -> Any:
        nonlocal looked
        for row in type(tables).rows_by_activity(tables, after):
            looked += 1
            yield row

    tables.rows_by_activity = counted
    query, pages = SessionQuery(tags_all=frozenset({"t"})), list[SessionPage]()
    while not pages or pages[-1].cursor is not None:
        looked = 0
        cursor = pages[-1].cursor if pages else None
        pages.append(await store.find_sessions(query, order=NEWEST, cursor=cursor, limit=10))
        assert 0 < looked <= LOOKS + 10 + 1
    assert [each.id for page in pages for each in page.sessions] == ["s1200", "s0"]
    assert len(pages) == 3


async def test_a_view_shows_its_own_and_no_id_of_others(design: Design) -> None:
    """A principal sees its sessions in their order; a cursor names no session."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for n in range(6):
            principal = "ann" if n % 2 else "bob"
            await store.create_session(new_session(f"{principal}-secret-{n}", principal=principal))
            clock.advance(1)
        view = store.for_principal("ann")
        assert await walk(view, limit=1) == [f"ann-secret-{n}" for n in (5, 3, 1)]
        page = await view.find_sessions(ALL, order=NEWEST, limit=2)
        assert "secret" not in str(page.cursor)
        assert await walk(view, SessionQuery(principal="bob"), limit=1) == []
