"""Stores that are wrong in one detail of archiving a session."""

from __future__ import annotations

from datetime import UTC, datetime

from sessionkeeper import PlainSessionStore, Session

from tests.lab.conformance.broken.breaking import breaking


class KeepsItsTimes(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        there = await self.get_session(session.id)
        times = {"created_at": there.created_at, "last_activity": there.last_activity}
        if session.ended_at is not None:
            times["ended_at"] = datetime.now(UTC)
        session = session.model_copy(update=times)
        return await super().archive_session(session, expected_last_seq=expected_last_seq)


class ArchivesWhatMovedOn(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        last = (await self.get_session(session.id)).last_seq
        return await super().archive_session(session, expected_last_seq=last)


class ArchivesTheStale(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        revision = (await self.get_session(session.id)).revision
        session = session.model_copy(update={"revision": revision})
        return await super().archive_session(session, expected_last_seq=expected_last_seq)


class ArchivesBackwards(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        there = await self.get_session(session.id)
        if not there.state.may_be_archived_as(session.state):
            session = session.model_copy(update={"state": there.state})
        return await super().archive_session(session, expected_last_seq=expected_last_seq)


class BelievesTheFuture(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        now = datetime.now(UTC)
        times = {name: min(getattr(session, name), now) for name in ("created_at", "last_activity")}
        session = session.model_copy(update=times)
        return await super().archive_session(session, expected_last_seq=expected_last_seq)


class RetainsFromTheArchive(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        archived = await super().archive_session(session, expected_last_seq=expected_last_seq)
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is not None:
            self._tables._ended.remove(row)
            row.steady_ended_at = self._tables.clock.steady()
            self._tables._ended.add(row)
        return archived


class ArchivesTheIdle(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        archived = await super().archive_session(session, expected_last_seq=expected_last_seq)
        row = self._tables.find(session.id)
        if row is not None:
            row.steady_active_at = -1e9
        return archived


class MovesWhatItArchives(PlainSessionStore):
    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        archived = await super().archive_session(session, expected_last_seq=expected_last_seq)
        row = self._tables.find(session.id)
        if row is not None:
            self._tables._created.remove(row)
            row.number = self._tables._created.next_number()
            self._tables._created.add(row)
        return archived


TestKeepsItsTimes = breaking(KeepsItsTimes, "test_an_archived_session_is_as_it_was")
TestArchivesWhatMovedOn = breaking(
    ArchivesWhatMovedOn, "test_it_is_refused_unless_the_session_is_as_its_caller_knows_it"
)
TestArchivesTheStale = breaking(
    ArchivesTheStale, "test_it_is_refused_unless_the_session_is_as_its_caller_knows_it"
)
TestArchivesBackwards = breaking(ArchivesBackwards, "test_a_session_that_is_in_use_moves_on_only")
TestBelievesTheFuture = breaking(BelievesTheFuture, "test_times_that_cannot_be_are_refused")
TestRetainsFromTheArchive = breaking(
    RetainsFromTheArchive, "test_its_retention_counts_from_its_own_end"
)
TestArchivesTheIdle = breaking(ArchivesTheIdle, "test_a_live_one_is_active_now")
TestMovesWhatItArchives = breaking(
    MovesWhatItArchives,
    "test_it_keeps_its_place_in_the_order_of_creation",
    "test_a_watcher_follows_the_session_through_it",
)
