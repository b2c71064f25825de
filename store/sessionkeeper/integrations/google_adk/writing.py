"""The steps that create a session of ADK, append to it and delete it.

The store has no step over two records. So the step on the home comes first, because it may be
refused, and then nothing is set anywhere; then the state of the user, then that of the application.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.sessions.session import Session as AdkSession

from sessionkeeper import FrozenDict, SequenceConflict, Session, SessionExists, SessionNotFound

from .documents import Entry, find_entry, put_entry
from .events import Deltas, WrittenEvent, read_event
from .places import Place, Scope
from .reading import Seen, to_adk
from .records import Records, with_document

__all__ = ["Appending", "create_session", "delete_session", "sets_elsewhere"]

_STALE = "The session has been modified in storage since it was loaded: get it again."


def sets_elsewhere(deltas: Deltas) -> dict[Scope, FrozenDict]:
    """Return what an operation sets in other records than the home, in the order of the steps."""
    return {scope: deltas[scope] for scope in (Scope.USER, Scope.APP) if deltas[scope]}


async def create_session(records: Records, place: Place, deltas: Deltas, at: float) -> AdkSession:
    """Create a session. Raises `AlreadyExistsError`."""
    elsewhere = sets_elsewhere(deltas)
    await records.ensure(Scope.APP, place.app)  # was the application made with this home?
    for scope, delta in elsewhere.items():
        await records.make_room(scope, delta, place.app, place.user)
    entry = Entry(log=secrets.token_hex(8), last=0, at=at, state=deltas[Scope.SESSION])
    home = records.new(Scope.SESSION, place.app, place.user, place.session)
    home = with_document(home, put_entry(home.metadata, place, entry))
    try:
        await records.store.create_session(home)
    except SessionExists:
        raise AlreadyExistsError(f"Session with id {place.session} already exists.") from None
    for scope, delta in elsewhere.items():
        await records.change_shared(scope, delta, place.app, place.user)
    return to_adk(place, entry, (), await records.shared(place.app, place.user))


async def delete_session(records: Records, place: Place) -> None:
    """Delete a session with its events; nothing if there is none."""
    home = records.places.record(Scope.SESSION, place.app, place.user, place.session)
    try:
        await records.store.delete_session(home)
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
        """Append the event in one step with the state of its session, then set other state.

        Raises `StaleSessionError`, `SessionNotFoundError`, `LimitExceeded`.
        """
        elsewhere = sets_elsewhere(self.event.deltas)
        for scope, delta in elsewhere.items():
            await self.records.make_room(scope, delta, self.place.app, self.place.user)
        seen = await self._append(Seen.by(held) or await self._seen_by_events(held))
        for scope, delta in elsewhere.items():
            await self.records.change_shared(scope, delta, self.place.app, self.place.user)
        return seen

    async def _append(self, seen: Seen | None) -> Seen:
        if seen is None:
            return await self._step(None, expected=None)
        try:
            return await self._step(seen, expected=seen.last)
        except SequenceConflict:
            # Others have appended, or it was this very event: its caller was cancelled, or the
            # answer was lost, and it comes again.
            if (last := await self._find(seen)) is not None:
                return Seen(seen.log, last)
            if not self.merges:
                raise StaleSessionError(_STALE) from None
            return await self._step(seen, expected=None)

    async def _step(self, seen: Seen | None, *, expected: int | None) -> Seen:
        log = ""

        def change(record: Session) -> Session:
            nonlocal log
            entry = find_entry(record.metadata, self.place)
            if entry is None:
                raise SessionNotFoundError(self._not_found)
            if seen is not None and entry.log != seen.log:
                raise StaleSessionError(_STALE)
            log = entry.log
            delta, last = self.event.deltas[Scope.SESSION], record.last_seq + 1
            entry = entry.updated(delta, last=last, at=self.event.at)
            return with_document(record, put_entry(record.metadata, self.place, entry))

        home = self._home
        try:
            numbers = await self.records.store.add_frames(
                home, [self.event.envelope(home)], expected_last_seq=expected, change=change
            )
        except SessionNotFound:
            raise SessionNotFoundError(self._not_found) from None
        return Seen(log, numbers[-1])

    async def _find(self, seen: Seen) -> int | None:
        """Return the number of this event if it is stored after what a caller has seen."""
        home, entry = await self._look_up()
        if entry.log != seen.log:
            return None
        try:
            frames = await self.records.frames(home, after=seen.last, up_to=entry.last)
        except SessionNotFound:
            return None
        same = (frame.seq for frame in frames if frame.envelope.message == self.event.payload)
        return next(same, None)

    async def _seen_by_events(self, held: AdkSession) -> Seen | None:
        """Recognise a session that no service of ours returned by the last event that it has."""
        home, entry = await self._look_up()
        try:
            after = max(0, entry.last - 1)
            frames = await self.records.frames(home, after=after, up_to=entry.last)
        except SessionNotFound:
            raise SessionNotFoundError(self._not_found) from None
        stored = [read_event(frame).id for frame in frames]
        if stored == [event.id for event in held.events[-1:]]:
            return Seen(entry.log, entry.last)
        if not self.merges:
            raise StaleSessionError(_STALE)
        return None

    async def _look_up(self) -> tuple[Session, Entry]:
        place = self.place
        home = await self.records.find(Scope.SESSION, place.app, place.user, place.session)
        entry = None if home is None else find_entry(home.metadata, place)
        if home is None or entry is None:
            raise SessionNotFoundError(self._not_found)
        return home, entry

    @property
    def _home(self) -> str:
        place = self.place
        return self.records.places.record(Scope.SESSION, place.app, place.user, place.session)

    @property
    def _not_found(self) -> str:
        return f"Session {self.place.session} not found."
