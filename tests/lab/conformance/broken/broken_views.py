"""Stores whose views of a principal tell that another's session exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from sessionkeeper import (
    Change,
    FrameWatcher,
    LimitExceeded,
    MessageEnvelope,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    SessionPage,
    SessionQuery,
)
from sessionkeeper.stores.facade import CommandStore
from sessionkeeper.stores.principal import PrincipalStore

from tests.lab.conformance.broken.breaking import breaking


class TellingView(PrincipalStore):
    """A view that has the whole store at hand."""

    def __init__(self, store: CommandStore, principal: str) -> None:
        super().__init__(store, principal)
        self.whole = store

    async def there(self, session_id: str) -> Session | None:
        """What the whole store has under an id."""
        try:
            return await self.whole.get_session(session_id)
        except SessionNotFound:
            return None


class Telling(PlainSessionStore):
    """A store with such views."""

    view: ClassVar[type[PrincipalStore]]

    def for_principal(self, principal: str, /) -> PrincipalStore:
        return self.view(self, principal)


class EndedView(TellingView):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        found = await self.there(envelope.context.session_id)
        if found is not None and found.state.is_terminal:
            raise SessionClosed(found.id, found.state)
        return await super().add_frame(envelope)


class TellsItsEnd(Telling):
    view = EndedView


class StaleView(TellingView):
    async def update_session(self, session: Session, /) -> Session:
        found = await self.there(session.id)
        if found is not None and found.revision != session.revision:
            raise RevisionConflict(session.id, expected=session.revision, current=found.revision)
        return await super().update_session(session)


class TellsItsRevision(Telling):
    view = StaleView


class FirstView(TellingView):
    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        for session_id in session_ids:
            found = await self.there(session_id)
            if found is not None and found.principal != self._principal:
                raise SessionNotFound(session_id)
        return await super().get_sessions_batch(session_ids)


class TellsByOrder(Telling):
    view = FirstView


class LastView(TellingView):
    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        for session in sessions:
            found = await self.there(session.id)
            if found is None:
                raise SessionNotFound(session.id)
        return await super().update_sessions_batch(sessions)


class TellsTheMissingFirst(Telling):
    view = LastView


class TaggedView(TellingView):
    async def get_session(self, session_id: str, /) -> Session:
        try:
            return await super().get_session(session_id)
        except SessionNotFound as error:
            if await self.there(session_id) is not None:
                cast("Any", error).reason = "another principal's"
            raise


class TellsInTheError(Telling):
    view = TaggedView


class LimitView(TellingView):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        found = await self.there(envelope.context.session_id)
        store = cast("Telling", self.whole)
        maximum = store._tables.limits.max_frames_per_session
        if found is not None and found.frame_count >= maximum:
            raise LimitExceeded(
                "max_frames_per_session", current=found.frame_count, maximum=maximum
            )
        return await super().add_frame(envelope)


class TellsByLimits(Telling):
    view = LimitView


class FullView(TellingView):
    async def create_session(self, session: Session, /) -> Session:
        try:
            return await super().create_session(session)
        except LimitExceeded as full:
            count = await self.whole.count_sessions()
            raise LimitExceeded(full.limit, current=count, maximum=full.maximum) from None


class TellsHowFull(Telling):
    view = FullView


class CountView(TellingView):
    async def count_sessions(self) -> int:
        return await self.whole.count_sessions()


class TellsTheCount(Telling):
    view = CountView


class CursorView(TellingView):
    async def find_sessions(self, query: SessionQuery, /, **how: Any) -> SessionPage:
        page = await super().find_sessions(query, **how)
        if query.principal not in (None, self._principal):
            others = await self.whole.find_sessions(query, **how)
            return SessionPage((), others.cursor)
        return page


class TellsByCursors(Telling):
    view = CursorView


class WatchView(TellingView):
    """Waits for the frames of another's session."""

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        tables = cast("Telling", self.whole)._tables
        if tables.find(session_id) is not None and after:
            return self.whole.watch_frames(session_id, after=after, **options)
        return super().watch_frames(session_id, after=after, **options)


class TellsByWaiting(Telling):
    view = WatchView


class OldWatchView(TellingView):
    """Asks once whose session it is."""

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        tables = cast("Telling", self.whole)._tables
        row = tables.find(session_id)
        if row is not None and row.session.principal == self._principal:
            return self.whole.watch_frames(session_id, after=after, **options)
        return super().watch_frames(session_id, after=after, **options)


class WatchesOn(Telling):
    view = OldWatchView


class ClaimingView(TellingView):
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        try:
            return await super().get_or_create_session(session)
        except SessionNotFound:
            raise SessionExists(session.id) from None


class TellsWhatIsTaken(Telling):
    view = ClaimingView


class ChangeView(TellingView):
    """Runs the caller's function before it asks whose session it is."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        found = await self.there(session_id)
        if found is not None:
            change(found)
        return await super().modify_session(session_id, change)


class ShowsToChanges(Telling):
    view = ChangeView


class DoorView(TellingView):
    def for_principal(self, principal: str, /) -> Any:
        return self.whole.for_principal(principal)


class OpensOtherViews(Telling):
    view = DoorView


TestTellsItsEnd = breaking(TellsItsEnd, "test_no_error_tells_of_another_session")
TestTellsItsRevision = breaking(TellsItsRevision, "test_no_error_tells_of_another_session")
TestTellsByOrder = breaking(TellsByOrder, "test_no_error_tells_of_another_session")
TestTellsTheMissingFirst = breaking(TellsTheMissingFirst, "test_no_error_tells_of_another_session")
TestTellsInTheError = breaking(TellsInTheError, "test_no_error_tells_of_another_session")
TestTellsByLimits = breaking(TellsByLimits, "test_no_limit_tells_of_another_session")
TestTellsHowFull = breaking(TellsHowFull, "test_what_all_hold_together_is_not_told")
TestTellsTheCount = breaking(TellsTheCount, "test_a_view_counts_its_own_only")
TestTellsByCursors = breaking(TellsByCursors, "test_pages_of_a_view_have_its_own_only")
TestTellsByWaiting = breaking(
    TellsByWaiting, "test_no_error_tells_of_another_session", patience=0.5
)
TestWatchesOn = breaking(WatchesOn, "test_a_watcher_loses_a_session_that_is_given_away")
TestTellsWhatIsTaken = breaking(
    TellsWhatIsTaken, "test_sessions_of_another_principal_are_not_found"
)
TestShowsToChanges = breaking(
    ShowsToChanges,
    "test_no_change_sees_another_session",
    "test_no_error_tells_of_another_session",
)
TestOpensOtherViews = breaking(OpensOtherViews, "test_a_view_leads_to_no_other_view")
