"""Sessions of ADK as they are read from records."""

# ADK's session has one field for what a service must know of it again, and it is private.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.adk.events.event import Event
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session as AdkSession
from google.adk.sessions.state import State

from sessionkeeper import MessageKind, Session, SessionNotFound, thaw

from .documents import Entry, entries, find_entry, shared_state, users
from .events import read_event
from .places import Place, Scope
from .records import Records

__all__ = ["Seen", "list_sessions", "read_session", "to_adk"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Which session a caller holds, and up to which event. ADK keeps a text for it."""

    log: str
    last: int

    @classmethod
    def by(cls, session: AdkSession) -> Seen | None:
        """Read it from a session; None for one that no service of ours has returned."""
        log, colon, last = (session._storage_update_marker or "").partition(":")
        return cls(log, int(last)) if colon and last.isdecimal() else None

    def mark(self, session: AdkSession) -> None:
        """Write it into a session."""
        session._storage_update_marker = f"{self.log}:{self.last}"


async def read_session(
    records: Records, place: Place, config: GetSessionConfig | None
) -> AdkSession | None:
    """Return a session with its events; None without it."""
    while True:
        home = await records.find(Scope.SESSION, place.app, place.user, place.session)
        entry = None if home is None else find_entry(home.metadata, place)
        if home is None or entry is None:
            return None
        try:
            events = await _events(records, home, entry, config)
        except SessionNotFound:
            continue  # it was deleted meanwhile, and may have been created again
        shared = await records.shared(home, place.app, place.user)
        return to_adk(place, entry, events, shared)


async def _events(
    records: Records, home: Session, entry: Entry, config: GetSessionConfig | None
) -> list[Event]:
    newest = None if config is None else config.num_recent_events
    since = None if config is None else config.after_timestamp
    if newest == 0 or not entry.last:
        return []
    # Only a time asks for all of them: the number of the newest ones is known.
    frames = await records.frames(home, entry, newest=newest if since is None else None)
    events = [read_event(each) for each in frames if each.envelope.kind is not MessageKind.REMOVED]
    if since is not None:
        events = [event for event in events if event.timestamp >= since]
    return events if newest is None else events[-newest:]


async def list_sessions(records: Records, app: str, user: str | None) -> list[AdkSession]:
    """Return the sessions of a user or of all, in order of their last change."""
    found = await records.tagged(*((app,) if user is None else (app, user)))
    documents = [record.metadata for record in found]
    if user is not None and (of_app := await records.find(Scope.APP, app)) is not None:
        documents.append(of_app.metadata)
    app_state: dict[str, Any] = {}
    user_states: dict[str, dict[str, Any]] = {}
    for document in documents:
        app_state |= shared_state(document, Scope.APP)
        for name in users(document):
            user_states.setdefault(name, {}).update(shared_state(document, Scope.USER, name))
    sessions = [
        to_adk(Place(app, name, session), entry, (), (app_state, user_states[name]))
        for document in documents
        for name, session, entry in entries(document)
        if user is None or name == user
    ]
    return sorted(sessions, key=lambda each: (each.last_update_time, each.user_id, each.id))


def to_adk(
    place: Place,
    entry: Entry,
    events: Sequence[Event],
    shared: tuple[dict[str, Any], dict[str, Any]],
) -> AdkSession:
    """Make the session that a caller gets; `shared` is state of the application and the user."""
    state: Any = thaw(entry.state)
    for prefix, part in zip((State.APP_PREFIX, State.USER_PREFIX), shared, strict=True):
        state |= {f"{prefix}{key}": value for key, value in part.items()}
    session = AdkSession(
        app_name=place.app,
        user_id=place.user,
        id=place.session,
        state=state,
        events=list(events),
        last_update_time=entry.at,
    )
    Seen(entry.log, entry.last).mark(session)
    return session
