"""What sessions probably are by the time a batch reaches the server.

The changes of one session in one batch each start from what the one before made of it, so all are
taken in one round trip. A guess is never believed: the server compares what a function saw with
what is there, and what a function made of a guess alone is told to nobody before that.
"""

from __future__ import annotations

from collections import OrderedDict

from ...session import Session
from .keys import Bucket

__all__ = ["Guesses"]

_KEPT = 1024
_LARGE = 16 * 1024
"""Bytes of a session's JSON beyond which keeping a guess costs more than asking."""


class Guesses:
    """Sessions that were changed lately, as this process would expect them."""

    __slots__ = ("_expected", "_known", "_sessions")

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, tuple[Session, str]] = OrderedDict()
        self._known: dict[Bucket, int] = {}
        """The highest revision seen in each bucket."""
        self._expected: dict[Bucket, int] = {}

    def begin(self) -> None:
        """Start from what is known: nothing is under way now."""
        self._expected.clear()

    def get(self, session_id: str) -> tuple[Session, str] | None:
        """Return a session as it will probably be, and the digest of what it then holds."""
        return self._sessions.get(session_id)

    def revise(self, bucket: Bucket) -> int:
        """Count a change that is being sent; return the revision it will probably have."""
        revision = self._expected.get(bucket, self._known.get(bucket, 0)) + 1
        self._expected[bucket] = revision
        return revision

    def see(self, bucket: Bucket, revision: int) -> None:
        """Take note of a revision the server has given."""
        if revision > self._known.get(bucket, 0):
            self._known[bucket] = revision

    def note(self, session: Session, size: int, digest: str) -> None:
        """Keep what a session of `size` bytes is or will be, unless a later one is kept."""
        if size > _LARGE:
            return self.forget(session.id)
        sessions = self._sessions
        kept = sessions.get(session.id)
        if kept is None or later(session, kept[0]):
            sessions[session.id] = session, digest
        sessions.move_to_end(session.id)
        if len(sessions) > _KEPT:
            sessions.popitem(last=False)
        return None

    def append(self, session_id: str, count: int) -> None:
        """Expect so many frames more in a log."""
        kept = self._sessions.get(session_id)
        if kept is not None:
            session, digest = kept
            longer = {
                "last_seq": session.last_seq + count,
                "frame_count": session.frame_count + count,
            }
            self._sessions[session_id] = Session.trusted(session.__dict__ | longer), digest

    def forget(self, session_id: str) -> None:
        """Drop a guess that was wrong."""
        self._sessions.pop(session_id, None)


def later(one: Session, other: Session) -> bool:
    """Whether one is a later state of the same session than the other."""
    return (one.revision, one.last_seq) > (other.revision, other.last_seq)
