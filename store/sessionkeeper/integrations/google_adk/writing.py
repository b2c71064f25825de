"""The steps that create a session of ADK, append to it and delete it.

The store has no step over two records. So the step on the home comes first, because it may be
refused, and then nothing is set anywhere; then the state of the user, then that of the application,
where they do not live in the home.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.sessions.session import Session as AdkSession

from sessionkeeper import FrozenDict, SequenceConflict, Session, SessionExists, SessionNotFound

from .documents import Document, Entry, drop_entry, find_entry, put_entry, update_shared
from .events import Deltas, WrittenEvent, read_event
from .places import Place, Places, Scope
from .reading import Seen, to_adk
from .records import Records, with_document

__all__ = ["Appending", "create_session", "delete_session", "sets_elsewhere"]

_STALE = "The session has been modified in storage since it was loaded: get it again."
_SHARED = (Scope.USER, Scope.APP)


class _Moved(Exception):
    """Others have appended to a session in a home of several."""


def sets_elsewhere(places: Places, deltas: Deltas) -> dict[Scope, FrozenDict]:
    """Return what an operation sets in other records than the home, in the order of the steps."""
    return {
        scope: deltas[scope] for scope in _SHARED if deltas[scope] and not places.shares_home(scope)
    }


def _set_at_home(places: Places, document: Document, place: Place, deltas: Deltas) -> Document:
    for scope in _SHARED:
        if deltas[scope] and places.shares_home(scope):
            document = update_shared(document, scope, place.user, deltas[scope])
    return document


async def create_session(records: Records, place: Place, deltas: Deltas, at: float) -> AdkSession:
    """Create a session. Raises `AlreadyExistsError`."""
    elsewhere = sets_elsewhere(records.places, deltas)
    await records.ensure(Scope.APP, place.app)  # was the application made with this home?
    for scope, delta in elsewhere.items():
        await records.make_room(scope, delta, place.app, place.user)
    entry = Entry(log=secrets.token_hex(8), last=0, at=at, state=deltas[Scope.SESSION])

    def change(record: Session) -> Session:
        if find_entry(record.metadata, place) is not None:
            raise AlreadyExistsError(_exists(place))
        document = _set_at_home(records.places, record.metadata, place, deltas)
        return with_document(record, put_entry(document, place, entry))

    new = records.new(Scope.SESSION, place.app, place.user, place.session)
    try:
        if records.places.has_own_logs:
            home = await records.store.create_session(change(new))
        else:
            home = await records.ensure(Scope.SESSION, place.app, place.user, place.session)
            await records.clear_dropped(home)  # what a crash in a deletion left
            home = await records.store.modify_session(home.id, change)
    except SessionExists:
        raise AlreadyExistsError(_exists(place)) from None
    for scope, delta in elsewhere.items():
        await records.change_shared(scope, delta, place.app, place.user)
    return to_adk(place, entry, (), await records.shared(home, place.app, place.user))


async def delete_session(records: Records, place: Place) -> None:
    """Delete a session with its events; nothing if there is none."""
    home_id = records.places.record(Scope.SESSION, place.app, place.user, place.session)

    def change(record: Session) -> Session:
        if find_entry(record.metadata, place) is None:
            return record
        return with_document(record, drop_entry(record.metadata, place))

    try:
        if records.places.has_own_logs:
            await records.store.delete_session(home_id)
        else:
            await records.clear_dropped(await records.store.modify_session(home_id, change))
    except SessionNotFound:
        return


@dataclass(frozen=True, slots=True)
class Appending:
    """An event on its way to a session."""

    records: Records
    place: Place
    event: WrittenEvent
    merges: bool

    async def run(self, held: AdkSession) -> Seen:
        """Append the event in one step with the state that lives in the home, then set the other.

        Raises `StaleSessionError`, `SessionNotFoundError`, `LimitExceeded`.
        """
        elsewhere = sets_elsewhere(self.records.places, self.event.deltas)
        for scope, delta in elsewhere.items():
            await self.records.make_room(scope, delta, self.place.app, self.place.user)
        seen = await self._append(Seen.by(held) or await self._seen_by_events(held))
        for scope, delta in elsewhere.items():
            await self.records.change_shared(scope, delta, self.place.app, self.place.user)
        return seen

    async def _append(self, seen: Seen) -> Seen:
        try:
            return await self._step(seen, merges=False)
        except (SequenceConflict, _Moved):
            # Others have appended, or it was this very event: its caller was cancelled, or the
            # answer was lost, and it comes again.
            if (last := await self._find(seen)) is not None:
                return Seen(seen.log, last)
            if not self.merges:
                raise StaleSessionError(_STALE) from None
            return await self._step(seen, merges=True)

    async def _step(self, seen: Seen, *, merges: bool) -> Seen:
        places = self.records.places

        def change(record: Session) -> Session:
            entry = find_entry(record.metadata, self.place)
            if entry is None:
                raise SessionNotFoundError(self._not_found)
            if entry.log != seen.log:
                raise StaleSessionError(_STALE)
            if not merges and entry.last != seen.last:
                raise _Moved
            delta, last = self.event.deltas[Scope.SESSION], record.last_seq + 1
            entry = entry.updated(delta, last=last, at=self.event.at)
            document = _set_at_home(places, record.metadata, self.place, self.event.deltas)
            return with_document(record, put_entry(document, self.place, entry))

        stream = None if places.has_own_logs else seen.log
        expected = seen.last if places.has_own_logs and not merges else None
        home = places.record(Scope.SESSION, self.place.app, self.place.user, self.place.session)
        try:
            numbers = await self.records.store.add_frames(
                home,
                [self.event.envelope(home, stream)],
                expected_last_seq=expected,
                change=change,
            )
        except SessionNotFound:
            raise SessionNotFoundError(self._not_found) from None
        return Seen(seen.log, numbers[-1])

    async def _find(self, seen: Seen) -> int | None:
        """Return the number of this event if it is stored after what a caller has seen."""
        home, entry = await self._look_up()
        if entry.log != seen.log:
            return None
        try:
            frames = await self.records.frames(home, entry, after=seen.last)
        except SessionNotFound:
            return None
        same = (frame.seq for frame in frames if frame.envelope.message == self.event.payload)
        return next(same, None)

    async def _seen_by_events(self, held: AdkSession) -> Seen:
        """Recognise a session that no service of ours returned by the last event that it has."""
        home, entry = await self._look_up()
        if not self.merges:
            try:
                frames = await self.records.frames(home, entry, newest=1) if entry.last else []
            except SessionNotFound:
                raise SessionNotFoundError(self._not_found) from None
            stored = [read_event(frame).id for frame in frames]
            if stored != [event.id for event in held.events[-1:]]:
                raise StaleSessionError(_STALE)
        return Seen(entry.log, entry.last)

    async def _look_up(self) -> tuple[Session, Entry]:
        place = self.place
        home = await self.records.find(Scope.SESSION, place.app, place.user, place.session)
        entry = None if home is None else find_entry(home.metadata, place)
        if home is None or entry is None:
            raise SessionNotFoundError(self._not_found)
        return home, entry

    @property
    def _not_found(self) -> str:
        return f"Session {self.place.session} not found."


def _exists(place: Place) -> str:
    return f"Session with id {place.session} already exists."
