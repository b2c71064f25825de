"""Where the store keeps what belongs to an application, a user and a session of ADK.

A record is a session of the store. State of an application and of a user, and the events of a
session, have a record each, or share the one that is their home.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from google.adk.errors.input_validation_error import InputValidationError

from sessionkeeper import session_id_for

__all__ = ["Place", "Places", "Scope", "checked_text"]


class Scope(StrEnum):
    """Whose state a key belongs to; each scope lies in the one before it."""

    APP = "app"
    USER = "user"
    SESSION = "session"

    @property
    def depth(self) -> int:
        """How many names lead to it: of the application, the user, the session."""
        return _DEPTHS[self]


_DEPTHS = {Scope.APP: 1, Scope.USER: 2, Scope.SESSION: 3}


@dataclass(frozen=True, slots=True)
class Place:
    """The names of a session of ADK."""

    app: str
    user: str
    session: str


@dataclass(frozen=True, slots=True)
class Places:
    """Ids and tags of the records."""

    namespace: str
    home: Scope
    """The scope whose record has the events: a session's own, its user's or its application's."""

    def record(self, scope: Scope, *names: str) -> str:
        """Return the id of the record that has the state of a scope.

        `names` are those of the application, the user and the session; more than needed may come.
        """
        depth = min(scope.depth, self.home.depth)
        return session_id_for(self.namespace, *names[:depth])

    def shares_home(self, scope: Scope) -> bool:
        """Whether the state of a scope is in the record that has the events."""
        return scope.depth >= self.home.depth

    @property
    def has_own_logs(self) -> bool:
        """Whether each session has a record of its own, whose log has its events alone."""
        return self.home is Scope.SESSION

    def tags(self, scope: Scope, *names: str) -> frozenset[str]:
        """Return the tags of the record of a scope: its application, and its user if it has one."""
        depth = min(scope.depth, self.home.depth)
        return frozenset(self.tag(*names[:many]) for many in range(1, min(depth, 2) + 1))

    def tag(self, *names: str) -> str:
        """Return the tag of an application or of a user."""
        return session_id_for(self.namespace, *names)


def checked_text(name: str, value: object) -> str:
    """Return a name as a plain `str`. Raises ADK's `InputValidationError` for anything else."""
    if not isinstance(value, str):
        raise InputValidationError(f"{name} is a str, not {type(value).__name__}")
    value = str.__str__(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputValidationError(f"{name} has a lone surrogate, which is no text") from None
    return value
