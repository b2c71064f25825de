"""Stores that are wrong in one detail of `put_session`."""

from __future__ import annotations

import asyncio
from contextvars import Context

from sessionkeeper import (
    PlainSessionStore,
    Session,
    SessionEventKind,
    SessionExists,
    SessionNotFound,
)
from sessionkeeper.operations import session_rules as rules

from tests.lab.conformance.broken.breaking import breaking
from tests.lab.conformance.broken.broken_views import Telling, TellingView


class ReadThenWrite(PlainSessionStore):
    """Looks in one step and writes in another: two callers find nothing, or one revision."""

    async def put_session(self, session: Session, /) -> Session:
        try:
            there = await self.get_session(session.id)
        except SessionNotFound:
            await asyncio.sleep(0)
            return await self.create_session(session)
        await asyncio.sleep(0)
        if there.state.is_terminal:
            await self.delete_session(session.id)
            await asyncio.sleep(0)
            return await self.create_session(session)
        return await self.update_session(session.model_copy(update={"revision": there.revision}))


class LosesTheLog(PlainSessionStore):
    """Deletes and creates, whatever was there."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None:
            rules.delete_session(self._tables, row, Context())
        return await self.create_session(session)


class ClearsTheLog(PlainSessionStore):
    """Clears the log of a live session and leaves the rest."""

    async def put_session(self, session: Session, /) -> Session:
        put = await super().put_session(session)
        if put.frame_count:
            await self.delete_frames(session.id)
        return await self.get_session(session.id)


class NeedsTheRevision(PlainSessionStore):
    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is None:
            rules.check_revision(row, session)
        return await super().put_session(session)


class RevivesTheDead(PlainSessionStore):
    """Gives an ended session the fields of a live one, and keeps it."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is None or row.ended_at is None:
            return await super().put_session(session)
        row.ended_at = None
        row.change(session, self._tables.counters.next_revision())
        return row.snapshot()


class FramesOfTheDead(PlainSessionStore):
    """Keeps the log of the session that it replaces."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        ended = row is not None and row.ended_at is not None
        frames = await self.get_frames(session.id) if ended else []
        put = await super().put_session(session)
        for frame in frames:
            await self.add_frame(frame)
        return put


class ExpiresWithTheDead(PlainSessionStore):
    """Gives the new session the moment of the one that it replaces."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is not None:
            session = session.model_copy(update={"expires_at": row.session.expires_at})
        return await super().put_session(session)


class KeepsThePlace(PlainSessionStore):
    """Lists a session that replaced another where that one was."""

    async def put_session(self, session: Session, /) -> Session:
        before = [row.id for row in self._tables.rows()]
        put = await super().put_session(session)
        for session_id in before[before.index(session.id) + 1 :] if session.id in before else ():
            row = self._tables.find(session_id)
            assert row is not None
            self._tables._created.remove(row)
            row.number = self._tables._created.next_number()
            self._tables._created.add(row)
        return put


class DeletesFirst(PlainSessionStore):
    """Removes the ended session, and then finds out that the new one is not allowed."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is not None:
            await self.delete_session(session.id)
        return await super().put_session(session)


class PutsWhatCannotFollow(PlainSessionStore):
    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is None or row.ended_at is not None:
            return await super().put_session(session)
        rules.change_session(self._tables, row, session, Context())
        return row.snapshot()


class NeedsRoomForAll(PlainSessionStore):
    """Wants room for a session that is there already."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is not None:
            rules._count_missing(self._tables)
        return await super().put_session(session)


class EvictsForTheReplaced(PlainSessionStore):
    """Makes room for the new one before the old one goes."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        oldest = self._tables.oldest_ended()
        full = self._tables.counters.sessions >= self._tables.limits.max_sessions
        if full and row is not None and row.ended_at is not None and oldest is not None:
            rules.delete_session(self._tables, oldest, Context())
        return await super().put_session(session)


class TellsOfNoDeletion(PlainSessionStore):
    """Replaces a session, and says only that there is a new one."""

    async def put_session(self, session: Session, /) -> Session:
        row = self._tables.find(session.id)
        if row is not None and row.ended_at is not None:
            self._tables.remove(row)
            self._tables.counters.session_removed(
                row.session, SessionEventKind.DELETED, row.frame_count, row.byte_count
            )
        return await super().put_session(session)


class CountsNoDeletion(PlainSessionStore):
    """Replaces a session without counting that one is gone."""

    async def put_session(self, session: Session, /) -> Session:
        before = self._tables.counters._removed_sessions.copy()
        put = await super().put_session(session)
        self._tables.counters._removed_sessions = before
        return put


class NumberOfTheId(PlainSessionStore):
    """Takes the one that replaced a session for that session: watchers go on with it."""

    async def put_session(self, session: Session, /) -> Session:
        former = self._tables.find(session.id)
        put = await super().put_session(session)
        row = self._tables.find(session.id)
        if former is not None and row is not None and row is not former:
            row.number = former.number
        return put


class SaysWhatIsThereView(TellingView):
    """Refuses a session that another's cannot become, and so tells what that one is."""

    async def put_session(self, session: Session, /) -> Session:
        there = await self.there(session.id)
        if there is not None:
            session.check_follows(there)
        return await super().put_session(session)


class SaysWhatIsThere(Telling):
    view = SaysWhatIsThereView


class TakesOverView(TellingView):
    """Puts a session in the place of another's that has ended."""

    async def put_session(self, session: Session, /) -> Session:
        try:
            return await super().put_session(session)
        except SessionExists:
            there = await self.there(session.id)
            if there is not None and there.state.is_terminal:
                return await self.whole.put_session(self._scope.claim(session))
            raise


class TakesOver(Telling):
    view = TakesOverView


class NotFoundView(TellingView):
    """Says of another's session that it is not there, where a new one could not be created."""

    async def put_session(self, session: Session, /) -> Session:
        try:
            return await super().put_session(session)
        except SessionExists:
            raise SessionNotFound(session.id) from None


class SaysNotFound(Telling):
    view = NotFoundView


class NobodysView(TellingView):
    """Forgets whose the session is that it puts."""

    async def put_session(self, session: Session, /) -> Session:
        return await self.whole.put_session(session)


class PutsForNobody(Telling):
    view = NobodysView


TestReadThenWrite = breaking(
    ReadThenWrite, "test_racing_puts_all_succeed", "test_puts_beside_appends_lose_no_frame"
)

TestLosesTheLog = breaking(
    LosesTheLog,
    "test_put_changes_a_live_session_whatever_its_revision",
    "test_racing_puts_all_succeed",
)

TestClearsTheLog = breaking(
    ClearsTheLog,
    "test_put_changes_a_live_session_whatever_its_revision",
    "test_puts_beside_appends_lose_no_frame",
)

TestNeedsTheRevision = breaking(
    NeedsTheRevision, "test_put_changes_a_live_session_whatever_its_revision"
)

TestRevivesTheDead = breaking(RevivesTheDead, "test_put_replaces_a_session_that_has_ended")

TestFramesOfTheDead = breaking(FramesOfTheDead, "test_put_replaces_a_session_that_has_ended")

TestExpiresWithTheDead = breaking(ExpiresWithTheDead, "test_nothing_of_a_replaced_session_stays")

TestKeepsThePlace = breaking(KeepsThePlace, "test_put_replaces_a_session_that_has_ended")

TestDeletesFirst = breaking(DeletesFirst, "test_a_put_that_is_refused_has_no_effect")

TestPutsWhatCannotFollow = breaking(
    PutsWhatCannotFollow, "test_a_put_that_is_refused_has_no_effect"
)

TestNeedsRoomForAll = breaking(NeedsRoomForAll, "test_a_put_keeps_the_limits")

TestEvictsForTheReplaced = breaking(EvictsForTheReplaced, "test_a_put_evicts_as_a_creation_does")

TestTellsOfNoDeletion = breaking(TellsOfNoDeletion, "test_a_put_sends_the_events_of_what_it_does")

TestCountsNoDeletion = breaking(CountsNoDeletion, "test_a_put_is_counted_as_what_it_does")

TestNumberOfTheId = breaking(
    NumberOfTheId, "test_a_watcher_does_not_go_on_with_what_replaced_its_session", patience=2.0
)

TestSaysWhatIsThere = breaking(
    SaysWhatIsThere,
    "test_a_view_learns_of_a_foreign_session_only_that_its_id_is_taken",
)

TestTakesOver = breaking(
    TakesOver, "test_a_view_learns_of_a_foreign_session_only_that_its_id_is_taken"
)

TestSaysNotFound = breaking(
    SaysNotFound, "test_a_view_learns_of_a_foreign_session_only_that_its_id_is_taken"
)

TestPutsForNobody = breaking(PutsForNobody, "test_a_view_puts_only_its_own")
