"""Finding sessions page by page."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.query import SessionOrder, SessionQuery
from sessionkeeper.values.session import Session

from .kit import StoreKit
from .samples import become, new, note, tagged, turns

__all__ = ["FindingConformance"]

ALL = SessionQuery()
NEWEST = SessionOrder.LAST_ACTIVITY


TICK = 0.002
"""Seconds between two activities that must not be of one moment."""


async def walk(
    store: AtomicSessionStore,
    query: SessionQuery = ALL,
    *,
    order: SessionOrder = SessionOrder.CREATED,
    limit: int = 100,
) -> list[Session]:
    """Go through all pages."""
    found: list[Session] = []
    cursor: str | None = None
    for _ in range(10_000):
        page = await store.find_sessions(query, order=order, cursor=cursor, limit=limit)
        assert len(page.sessions) <= limit, "a page holds more than was asked for"
        found += page.sessions
        if page.cursor is None:
            return found
        assert page.cursor != cursor, "the same cursor came twice: the walk never ends"
        cursor = page.cursor
        await turns(1)  # a store may answer at once: others run between two pages all the same
    raise AssertionError("the walk never ends")


class FindingConformance(StoreKit, needs={"find_sessions"}):
    async def test_pages_make_up_the_whole(self, store: AtomicSessionStore) -> None:
        """In order of creation, each session on exactly one page, whatever the limit."""
        created = [await store.create_session(new(f"s{n}")) for n in (5, 3, 8, 1, 9, 2, 7)]
        for limit in (1, 2, 3, 7, 8, 1_000):
            assert await walk(store, limit=limit) == created
        assert await walk(store, SessionQuery(principal="nobody")) == []

    async def test_every_field_of_a_query_counts(self, store: AtomicSessionStore) -> None:
        """State, status, transport, tags, principal, times: all given fields must match."""
        one = await store.create_session(new("one", tags={"x", "y"}, principal="p"))
        two = await store.create_session(new("two", tags={"y"}, state="active"))
        three = await store.create_session(
            Session.new(transport_type="sse", id="three", state="failed", principal="p")
        )
        soon, past = one.created_at + timedelta(days=1), one.created_at - timedelta(days=1)
        everyone = [one, two, three]
        for fields, expected in (
            ({"states": {"active"}}, [two]),
            ({"states": {"active", "failed"}}, [two, three]),
            ({"statuses": {"active"}}, [one, two]),
            ({"transport_types": {"sse"}}, [three]),
            ({"tags_any": {"x", "z"}}, [one]),
            ({"tags_all": {"x", "y"}}, [one]),
            ({"tags_all": {"y"}}, [one, two]),
            ({"principal": "p"}, [one, three]),
            ({"principal": "p", "states": {"failed"}}, [three]),
            ({"created_from": past, "created_before": soon}, everyone),
            ({"created_from": soon}, []),
            ({"created_before": past}, []),
            ({"active_from": past, "active_before": soon}, everyone),
            ({"active_before": past}, []),
            ({"states": set[str]()}, []),
        ):
            found = await walk(store, SessionQuery.model_validate(fields), limit=2)
            assert found == expected, f"the query {fields} found {[each.id for each in found]}"

    async def test_it_finds_sessions_as_they_are(self, store: AtomicSessionStore) -> None:
        """Each page is one moment: it shows stored sessions, and finds changed ones again."""
        created = await store.create_session(new())
        await store.add_frame(note())
        await store.update_session(tagged(created, "x"))
        assert await walk(store, SessionQuery(tags_any=frozenset({"x"}))) == [
            await store.get_session("a")
        ]
        await store.update_session(become("closed")(await store.get_session("a")))
        assert await walk(store, SessionQuery.model_validate({"states": {"active"}})) == []
        await store.delete_session("a")
        assert await walk(store) == []

    async def test_a_walk_survives_what_comes_and_goes(self, store: AtomicSessionStore) -> None:
        """A session that exists during the walk is seen exactly once, others at most once."""
        stay = [f"stay{n}" for n in range(20)]
        for n, key in enumerate(stay):
            await store.create_session(new(key))
            await store.create_session(new(f"go{n}"))

        async def disturb() -> None:
            for n in range(20):
                await store.delete_session(f"go{n}")
                await store.create_session(new(f"come{n}"))
                await store.add_frame(note(n, stay[-n]))
                await turns(n % 3)

        async def look(limit: int) -> list[str]:
            return [each.id for each in await walk(store, limit=limit)]

        *seen, _ = await asyncio.gather(*map(look, (1, 3, 7)), disturb())
        for each in seen:
            assert each is not None
            assert len(each) == len(set(each)), "a session was seen twice"
            assert [key for key in each if key in stay] == stay, "one that stayed was missed"

    async def test_a_cursor_is_the_stores_own(self, store: AtomicSessionStore) -> None:
        """`ValueError` for a cursor that no page gave; a given cursor can be used again."""
        for key in "abc":
            await store.create_session(new(key))
        page = await store.find_sessions(ALL, limit=1)
        assert page.cursor is not None
        again = [await store.find_sessions(ALL, cursor=page.cursor, limit=1) for _ in range(2)]
        assert again[0] == again[1]
        assert [each.id for each in again[0].sessions] == ["b"]
        with pytest.raises(ValueError, match=r"\S"):
            await store.find_sessions(ALL, cursor="no page gave this")

    async def test_the_newest_come_first(self, store: AtomicSessionStore) -> None:
        """`last-activity`: the newest first, live and ended alike, each on exactly one page."""
        for key in "abcdef":
            await store.create_session(new(key, tags={"x"} if key in "ade" else ()))
            await asyncio.sleep(TICK)
        await store.add_frame(note(1, "b"))
        await asyncio.sleep(TICK)
        await store.update_session(become("closed")(await store.get_session("d")))
        await asyncio.sleep(TICK)
        await store.update_session(become("active")(await store.get_session("a")))
        for limit in (1, 2, 5, 6, 7):
            found = await walk(store, order=NEWEST, limit=limit)
            assert [each.id for each in found] == [*"adbfec"]
        assert found == [await store.get_session(each.id) for each in found]
        query = SessionQuery(tags_any=frozenset({"x"}))
        assert [each.id for each in await walk(store, query, order=NEWEST, limit=1)] == [*"ade"]

    async def test_a_walk_by_activity_shows_each_once(self, store: AtomicSessionStore) -> None:
        """`last-activity`: one that is not used is seen exactly once, the others at most once."""
        stay = [f"stay{n}" for n in range(20)]
        for n, key in enumerate(stay):
            await store.create_session(new(key))
            await store.create_session(new(f"used{n}"))
            await store.create_session(new(f"go{n}"))
            if n % 3 == 0:
                await store.update_session(become("closed")(await store.get_session(key)))

        async def disturb() -> None:
            for n in range(20):
                await store.add_frame(note(n, f"used{-n % 20}"))
                await store.update_session(tagged(await store.get_session(f"used{n}"), f"t{n}"))
                await store.delete_session(f"go{n}")
                await store.create_session(new(f"come{n}"))
                await turns(n % 3)

        async def look(limit: int) -> list[str]:
            return [each.id for each in await walk(store, order=NEWEST, limit=limit)]

        *seen, _ = await asyncio.gather(*map(look, (1, 3, 7)), disturb())
        for each in seen:
            assert each is not None
            assert len(each) == len(set(each)), "a session was seen twice"
            assert {*stay} <= {*each}, "one that was not used was missed"

    async def test_a_cursor_belongs_to_its_order(self, store: AtomicSessionStore) -> None:
        """`ValueError` for a cursor of the other order."""
        for key in "abc":
            await store.create_session(new(key))
        for order, other in (NEWEST, SessionOrder.CREATED), (SessionOrder.CREATED, NEWEST):
            page = await store.find_sessions(ALL, order=order, limit=1)
            assert page.cursor is not None
            again = await store.find_sessions(ALL, order=order, cursor=page.cursor, limit=5)
            assert len(again.sessions) == 2
            with pytest.raises(ValueError, match=r"\S"):
                await store.find_sessions(ALL, order=other, cursor=page.cursor)
