"""What a record says, as a document in its metadata: values in, a changed value out.

Every record has the same form and those parts of it that live there:

    {"home": "session", "app": {key: value}, "users": {user: {"state": {key: value},
     "sessions": {id: {"log": text, "last": number, "at": seconds, "state": {key: value}}}}},
     "dropped": [text]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from sessionkeeper import FrozenDict, thaw

from .places import Place, Scope

__all__ = [
    "Document",
    "Entry",
    "drop_entry",
    "dropped_logs",
    "entries",
    "find_entry",
    "forget_dropped",
    "put_entry",
    "shared_state",
    "update_shared",
    "users",
]

Document = Mapping[str, Any]

_NOTHING: Mapping[str, Any] = FrozenDict()


@dataclass(frozen=True, slots=True)
class Entry:
    """A session of ADK in its home."""

    log: str
    """A random text, made with the session: another session of the same names has another one.
    In a home of several sessions, it is the stream of its events."""
    last: int
    """The number of its last event in the log of its home; 0 without one."""
    at: float
    """Seconds since 1970 of its last event, as the event says, or of its creation."""
    state: FrozenDict

    def updated(self, delta: Mapping[str, Any], *, last: int, at: float) -> Entry:
        """Return it after an event."""
        state = FrozenDict({**self.state, **delta}) if delta else self.state
        return replace(self, last=last, at=at, state=state)


def find_entry(document: Document, place: Place) -> Entry | None:
    """Return a session of a home; None without it."""
    found = _sessions(document, place.user).get(place.session)
    return None if found is None else _entry(found)


def put_entry(document: Document, place: Place, entry: Entry) -> dict[str, Any]:
    """Return the document with a session, in the place of one of the same name."""
    written: dict[str, Any] = {
        "log": entry.log,
        "last": entry.last,
        "at": entry.at,
        "state": entry.state,
    }
    sessions = {**_sessions(document, place.user), place.session: written}
    return _with_user(document, place.user, {"sessions": sessions})


def drop_entry(document: Document, place: Place) -> dict[str, Any]:
    """Return the document without a session whose events are still to be removed."""
    sessions = {**_sessions(document, place.user)}
    log = _entry(sessions.pop(place.session)).log
    dropped = [*dropped_logs(document), log]
    return {**_with_user(document, place.user, {"sessions": sessions}), "dropped": dropped}


def dropped_logs(document: Document) -> list[str]:
    """Return the logs of dropped sessions whose events are still to be removed."""
    return [*document.get("dropped", ())]


def forget_dropped(document: Document, log: str) -> dict[str, Any]:
    """Return the document after the events of a dropped session were removed."""
    return {**document, "dropped": [each for each in dropped_logs(document) if each != log]}


def entries(document: Document) -> Iterator[tuple[str, str, Entry]]:
    """Yield each session of a home: its user, its id, itself."""
    for user, part in document.get("users", _NOTHING).items():
        for session, entry in part.get("sessions", _NOTHING).items():
            yield user, session, _entry(entry)


def users(document: Document) -> list[str]:
    """Return the users of which a record knows something."""
    return [*document.get("users", _NOTHING)]


def shared_state(document: Document | None, scope: Scope, user: str = "") -> dict[str, Any]:
    """Return a copy of the state of an application or of a user; nothing without a record."""
    if document is None:
        return {}
    if scope is Scope.APP:
        found = document.get("app", _NOTHING)
    else:
        found = document.get("users", _NOTHING).get(user, _NOTHING).get("state", _NOTHING)
    return cast("dict[str, Any]", thaw(found))


def update_shared(
    document: Document, scope: Scope, user: str, delta: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document with keys of an application or of a user set."""
    if scope is Scope.APP:
        return {**document, "app": {**document.get("app", _NOTHING), **delta}}
    before = document.get("users", _NOTHING).get(user, _NOTHING).get("state", _NOTHING)
    return _with_user(document, user, {"state": {**before, **delta}})


def _sessions(document: Document, user: str) -> Mapping[str, Any]:
    part = document.get("users", _NOTHING).get(user, _NOTHING)
    return cast("Mapping[str, Any]", part.get("sessions", _NOTHING))


def _with_user(document: Document, user: str, part: Mapping[str, Any]) -> dict[str, Any]:
    users = document.get("users", _NOTHING)
    return {**document, "users": {**users, user: {**users.get(user, _NOTHING), **part}}}


def _entry(found: Mapping[str, Any]) -> Entry:
    return Entry(found["log"], found["last"], found["at"], found["state"])
