"""Stores that are wrong in one detail of finding by last activity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sessionkeeper import PlainSessionStore, SessionOrder, SessionPage, SessionQuery

from tests.lab.conformance.broken.breaking import breaking

NEWEST = SessionOrder.LAST_ACTIVITY


class OldestFirst(PlainSessionStore):
    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        page = await super().find_sessions(query, order=order, **how)
        return page if order == "created" else replace(page, sessions=page.sessions[::-1])


class AsCreated(PlainSessionStore):
    """It has one order only."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        return await super().find_sessions(query, **how)


class EndedApart(PlainSessionStore):
    """The live ones of a page come before the ended ones."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        page = await super().find_sessions(query, order=order, **how)
        if order == "created":
            return page
        apart = sorted(page.sessions, key=lambda each: each.ended_at is not None)
        return replace(page, sessions=tuple(apart))


class LosesTheEnded(PlainSessionStore):
    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        page = await super().find_sessions(query, order=order, **how)
        if order == "created":
            return page
        live = tuple(each for each in page.sessions if each.ended_at is None)
        return replace(page, sessions=live)


class SkipsOne(PlainSessionStore):
    """The first session after a cursor is on no page."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        page = await super().find_sessions(query, order=order, **how)
        if order == "created" or how.get("cursor") is None:
            return page
        return replace(page, sessions=page.sessions[1:])


class ShowsTwice(PlainSessionStore):
    """The session that a cursor stands on begins the next page, too."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        cursor = how.get("cursor")
        if order != "created" and cursor is not None and how.get("limit", 100) > 1:
            moment, _, number = cursor.partition(":")
            how |= {"cursor": f"{moment}:{int(number) + 1}"}
        return await super().find_sessions(query, order=order, **how)


class MovesOnReading(PlainSessionStore):
    """A cursor is a number of sessions to pass over, so that one that is used hides another."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        cursor, limit = how.get("cursor"), how.get("limit", 100)
        if order == "created" or (cursor is not None and ":" not in cursor):
            return await super().find_sessions(query, order=order, **how)
        begin = 0 if cursor is None else int(cursor.partition(":")[2])
        whole = await super().find_sessions(query, order=order, limit=1_000)
        end = begin + limit
        more = f"0:{end}" if end < len(whole.sessions) else None
        return SessionPage(whole.sessions[begin:end], more)


class EitherCursor(PlainSessionStore):
    """A cursor of the other order is no cursor."""

    async def find_sessions(
        self, query: SessionQuery, /, *, order: str = "created", **how: Any
    ) -> SessionPage:
        cursor = how.get("cursor")
        if cursor is not None and (":" in cursor) is not (order == NEWEST):
            how |= {"cursor": None}
        return await super().find_sessions(query, order=order, **how)


TestOldestFirst = breaking(OldestFirst, "test_the_newest_come_first")
TestAsCreated = breaking(
    AsCreated, "test_the_newest_come_first", "test_a_cursor_belongs_to_its_order"
)
TestEndedApart = breaking(EndedApart, "test_the_newest_come_first")
TestLosesTheEnded = breaking(
    LosesTheEnded, "test_the_newest_come_first", "test_a_walk_by_activity_shows_each_once"
)
TestSkipsOne = breaking(
    SkipsOne, "test_the_newest_come_first", "test_a_walk_by_activity_shows_each_once"
)
TestShowsTwice = breaking(
    ShowsTwice, "test_the_newest_come_first", "test_a_walk_by_activity_shows_each_once"
)
TestMovesOnReading = breaking(MovesOnReading, "test_a_walk_by_activity_shows_each_once")
TestEitherCursor = breaking(EitherCursor, "test_a_cursor_belongs_to_its_order")
