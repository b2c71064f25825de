"""A session as the owner holds it: the caller's part as a value, the store's part as counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from ..interface.long_answers import SLICE, Captured
from ..values.session import Session
from .sole_holder import is_sole_holder

__all__ = ["SessionCapture", "SessionRow", "capture_sessions", "show_moment"]


class SessionRow:
    """One session's row; only the rules change it, and only as the owner.

    The numbers in the log run from `last_seq - frame_count + 1` to `last_seq`.
    """

    __slots__ = (
        "_created",
        "_is_current",
        "byte_count",
        "created_at",
        "ended_at",
        "frame_count",
        "gap_frames",
        "id",
        "incarnation",
        "last_activity",
        "last_seq",
        "number",
        "odd_frames",
        "revision",
        "session",
        "steady_active_at",
        "steady_created_at",
        "steady_ended_at",
    )

    def __init__(
        self,
        session: Session,
        *,
        incarnation: str,
        number: int,
        revision: int,
        wall: float,
        steady: float,
    ) -> None:
        self.id = session.id
        """Kept apart: looking into the session would cost a cache miss or three a frame."""
        self.session = session
        """Right in the caller's fields; the store's may be of an earlier moment."""
        self.incarnation = incarnation
        """Kept apart: `session` is what the caller made, with another one or none."""
        self.number = number
        """Its place in the order of creation; never used again."""
        self.revision = revision
        self.created_at = wall
        self.last_activity = wall
        self.steady_active_at = self.steady_created_at = steady
        self.ended_at = wall if session.state.is_terminal else None
        self.steady_ended_at = steady
        """When it ended, by the steady clock; nothing before that."""
        self.frame_count = 0
        self.last_seq = 0
        self.byte_count = 0
        """Bytes of the messages in the log."""
        self.odd_frames = self.gap_frames = 0
        self._is_current = False  # whether `session` is, in the fields of the store, too
        self._created: datetime | None = None  # as it is shown, once it was

    def touch(self, wall: float, steady: float, /) -> None:
        """Note activity, in seconds since the epoch and by the steady clock."""
        self.last_activity = wall
        self.steady_active_at = steady
        self._is_current = False

    def change(self, session: Session, revision: int, /) -> None:
        """Take over the caller's fields of `session`."""
        self.session = session
        self.revision = revision
        if session.state.is_terminal and self.ended_at is None:
            self.ended_at, self.steady_ended_at = self.last_activity, self.steady_active_at
        self._is_current = False

    def end(self, session: Session, revision: int, wall: float, steady: float, /) -> None:
        """Take over the caller's fields of an ended `session`, without calling that activity."""
        self.session = session
        self.revision = revision
        self.ended_at, self.steady_ended_at = wall, steady
        self._is_current = False

    def archive(self, session: Session, revision: int, steady: float, /) -> None:
        """Take over the caller's fields and the times of `session`; it is active now."""
        self.session = session
        self.revision = revision
        self.created_at, self._created = session.created_at.timestamp(), None
        self.last_activity, self.steady_active_at = session.last_activity.timestamp(), steady
        if session.ended_at is not None:
            self.ended_at = session.ended_at.timestamp()
        self._is_current = False

    def shorten(self, count: int, size: int, /) -> None:
        """Note that `count` frames of `size` bytes were removed from the front of the log."""
        self.frame_count -= count
        self.byte_count -= size
        self._is_current = False

    def snapshot(self) -> Session:
        """Return the current session: the same object until it changes.

        After a change, the former snapshot is brought up to date if nobody else has it. A new one
        in its place would be one more young object for the garbage collector, which starts when
        more objects were made than freed: many could gather before it looks at all of them.
        """
        if self._is_current:
            return self.session
        if self._created is None:
            self._created = show_moment(self.created_at)
        last_activity = show_moment(self.last_activity)
        ended_at = None if self.ended_at is None else show_moment(self.ended_at)
        # A local variable would be another holder.
        alone = is_sole_holder(self.session)
        fields = vars(self.session) if alone else vars(self.session).copy()
        fields["revision"] = self.revision
        fields["created_at"] = self._created
        fields["last_activity"] = last_activity
        fields["ended_at"] = ended_at
        fields["frame_count"] = self.frame_count
        fields["last_seq"] = self.last_seq
        fields["odd_frames"] = self.odd_frames
        fields["gap_frames"] = self.gap_frames
        fields["incarnation"] = self.incarnation
        if not alone:
            self.session = Session.trusted(fields)
        self._is_current = True
        return self.session

    def shown_created_at(self) -> datetime:
        """Return the time of creation as it is shown."""
        if self._created is None:
            self._created = show_moment(self.created_at)
        return self._created

    @property
    def is_kept(self) -> bool:
        """Whether `session` is the current snapshot."""
        return self._is_current

    def capture(self) -> SessionCapture:
        """Return what the current snapshot is made of, in a tenth of the time of making it.

        While somebody has it, `session` is not brought up to date in its place.
        """
        return SessionCapture(
            self.session,
            self.revision,
            self.shown_created_at() if self._created is None else self._created,
            self.last_activity,
            self.ended_at,
            self.frame_count,
            self.last_seq,
            self.odd_frames,
            self.gap_frames,
            self.incarnation,
        )


class SessionCapture(msgspec.Struct, frozen=True, gc=False):
    """A session at one moment, which does not change with its row; anybody may make the snapshot.

    `gc=False`: it refers to nothing that could refer to it, and thousands are made at once.
    """

    session: Session
    """Right in the caller's fields."""
    revision: int
    created_at: datetime
    last_activity: float
    ended_at: float | None
    frame_count: int
    last_seq: int
    odd_frames: int
    gap_frames: int
    incarnation: str

    def show(self) -> Session:
        """Make the snapshot."""
        ended_at = self.ended_at
        return Session.trusted(
            vars(self.session)
            | {
                "revision": self.revision,
                "created_at": self.created_at,
                "last_activity": show_moment(self.last_activity),
                "ended_at": None if ended_at is None else show_moment(ended_at),
                "frame_count": self.frame_count,
                "last_seq": self.last_seq,
                "odd_frames": self.odd_frames,
                "gap_frames": self.gap_frames,
                "incarnation": self.incarnation,
            }
        )


def capture_sessions(rows: Iterable[SessionRow], /) -> Sequence[Session]:
    """Return the snapshots of rows, of now; all but the first may be made later, by the caller.

    A few are made here, so that a short answer is whole at once, and in every call some more of
    those that do not change, to be kept by their rows.
    """
    parts: list[Session | SessionCapture] = []
    made = 0
    for row in rows:
        if row.is_kept:
            parts.append(row.session)
            continue
        made += 1
        parts.append(row.snapshot() if made <= SLICE else row.capture())
    if made <= SLICE:
        return cast("list[Session]", parts)
    return Captured(_show_each, parts)


def _show_each(parts: Sequence[Session | SessionCapture]) -> list[Session]:
    return [
        part.show() if type(part) is SessionCapture else cast("Session", part) for part in parts
    ]


def show_moment(seconds: float) -> datetime:
    """Return seconds since the epoch as they are shown."""
    return datetime.fromtimestamp(seconds, UTC)
