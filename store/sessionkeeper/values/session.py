"""A session as callers see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    FailFast,
    Field,
    StringConstraints,
)

from .bounds import MAX_TAG, MAX_TEXT, at_most
from .clock import in_utc
from .errors import InvalidTransition, short_id
from .frozen import FrozenDict, JsonObject
from .ids import Incarnation, SessionId, new_session_id
from .states import SessionState, SessionStatus, TransportType
from .value import Value
from .version import VersionState

__all__ = ["CALLER_FIELDS", "STORE_FIELDS", "Session", "Tag", "Text", "not_one_string"]

Text = Annotated[str, StringConstraints(strict=True, min_length=1), at_most(MAX_TEXT)]
Tag = Annotated[str, StringConstraints(strict=True, min_length=1), at_most(MAX_TAG)]


def not_one_string(value: object) -> object:
    """Refuse a string for a set of strings: it would be split into letters."""
    if isinstance(value, str | bytes):
        raise ValueError("a set is expected, not one string")
    return value


class Session(Value):
    """A keyed, owned record with a state; its append-only log of frames is in the store.

    It is a snapshot: later changes in the store do not show in it. `revision` identifies it, and
    `update_session` refuses a stale one.
    """

    _fields_apart: ClassVar[bool] = True

    id: SessionId = Field(repr=False)
    transport_type: TransportType
    state: SessionState = SessionState.INITIALIZING
    failure: Text | None = None
    principal: Text | None = Field(default=None, repr=False)
    client_info: JsonObject | None = Field(default=None, repr=False)
    server_info: JsonObject | None = Field(default=None, repr=False)
    version_state: VersionState = VersionState()
    # The first wrong one is enough: an import may have millions.
    tags: Annotated[frozenset[Tag], FailFast(), BeforeValidator(not_one_string)] = frozenset()
    metadata: JsonObject = Field(default_factory=FrozenDict, repr=False)
    upstream_session_id: Text | None = Field(default=None, repr=False)
    expires_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None
    """The moment, by the wall clock, from which on a sweep ends the session, whatever its activity.
    Until that sweep it is live."""

    # The fields of the store: a caller reads them and never sets them.
    revision: int = 0
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    last_activity: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    ended_at: AwareDatetime | None = None
    frame_count: int = 0
    last_seq: int = 0
    odd_frames: int = 0
    """Number of all frames it ever had that were no JSON-RPC message; it never decreases."""
    gap_frames: int = 0
    """Number of all gap frames it ever had, which stand for lines that were not kept."""
    incarnation: Incarnation = ""
    """Random 16 hex digits that tell it from any other session that ever had its id; empty in a
    session that was not stored."""

    @classmethod
    def new(
        cls, *, transport_type: TransportType | str, id: str | None = None, **fields: object
    ) -> Self:
        """Make a session to be created, with a fresh random id when none is given.

        Raises `TypeError` for a field that only the store sets or that does not exist,
        `ValueError` for a bad value.
        """
        if wrong := fields.keys() - CALLER_FIELDS:
            raise TypeError(f"not a field a caller sets: {', '.join(sorted(wrong))}")
        return cls.model_validate(
            {"id": new_session_id() if id is None else id, "transport_type": transport_type}
            | fields
        )

    @property
    def status(self) -> SessionStatus:
        """The outcome of the session, derived from its state."""
        return self.state.status

    def check_follows(self, before: Session) -> None:
        """Raise `InvalidTransition` or `VersionConflict` unless this may follow `before`."""
        if not before.state.may_become(self.state):
            raise InvalidTransition(self.id, before.state, self.state)
        self.version_state.check_follows(before.version_state)

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        # The id may be a bearer secret: show how it begins.
        return [("id", short_id(self.id)), *super().__repr_args__()]


STORE_FIELDS = frozenset(
    {
        *("revision", "created_at", "last_activity", "ended_at"),
        *("frame_count", "last_seq", "odd_frames", "gap_frames", "incarnation"),
    }
)
CALLER_FIELDS = frozenset(Session.model_fields) - STORE_FIELDS
