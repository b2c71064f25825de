"""Predicts what sessions will be when a batch reaches the server.

In one batch each change of a session starts from the result of the one before, so all of them need
one round trip. A prediction is never trusted: the server compares what a function saw with what is
there, and nobody sees the result of a prediction before that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from ...values.session import Session
from .keys import Bucket

__all__ = ["Predictions"]

_MAX_SESSIONS, _BYTES = 1024, 16 * 1024 * 1024
"""Maximum number of sessions, and of bytes of their JSON."""


class _Prediction(NamedTuple):
    session: Session
    digest: str
    round_trip: int
    """The round trip in which it was made."""
    size: int


class Predictions:
    """Sessions that were changed lately, as this process expects them."""

    __slots__ = ("_bytes", "_expected", "_known", "_round_trip", "_sessions")

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Prediction] = OrderedDict()
        """With the digest of each, its round trip, and its bytes."""
        self._bytes = 0
        self._known: dict[Bucket, int] = {}
        """The last revision seen in each bucket."""
        self._expected: dict[Bucket, int] = {}
        self._round_trip = 0

    def begin(self, buckets: Iterable[Bucket]) -> None:
        """Begin a round trip for these buckets: start from the revisions that are known."""
        for bucket in buckets:
            self._expected.pop(bucket, None)
        self._round_trip += 1

    def get(self, session_id: str) -> tuple[Session, str] | None:
        """Return a session as it will probably be, and the digest of its content then."""
        kept = self._sessions.get(session_id)
        return None if kept is None else (kept.session, kept.digest)

    def next_revision(self, bucket: Bucket) -> int:
        """Count a change that is being sent. Returns the revision it will probably have."""
        revision = self._expected.get(bucket, self._known.get(bucket, 0)) + 1
        self._expected[bucket] = revision
        return revision

    def note_revision(self, bucket: Bucket, revision: int) -> None:
        """Note a revision that a session has."""
        if revision > self._known.get(bucket, 0):
            self._known[bucket] = revision

    def note_assigned(self, bucket: Bucket, revision: int) -> None:
        """Note a revision the server has just assigned: a lower one, if it lost its data."""
        self._known[bucket] = revision

    def note_session(self, session: Session, size: int, digest: str) -> None:
        """Keep a session of `size` bytes as it is or will be, unless a later one is kept."""
        sessions = self._sessions
        kept = sessions.get(session.id)
        if kept is None or is_later(session, kept.session):
            self._bytes += size - (0 if kept is None else kept.size)
            sessions[session.id] = _Prediction(session, digest, self._round_trip, size)
        sessions.move_to_end(session.id)
        while self._bytes > _BYTES or len(sessions) > _MAX_SESSIONS:
            self.forget(next(iter(sessions)))

    def append(
        self, session_id: str, count: int, maximum: int, *, odd: tuple[int, int], scope: str
    ) -> None:
        """Expect `count` more frames in a log that holds `maximum` at most.

        `odd` says how many of them are odd, and how many are gaps.
        Nothing changes if `scope` is another principal than the session's: the server refuses that.
        """
        kept = self._sessions.get(session_id)
        if kept is not None and (not scope or kept.session.principal == scope):
            session = kept.session
            longer = {
                "last_seq": session.last_seq + count,
                "frame_count": min(session.frame_count + count, maximum),
                "odd_frames": session.odd_frames + odd[0],
                "gap_frames": session.gap_frames + odd[1],
            }
            session = Session.trusted(session.__dict__ | longer)
            self._sessions[session_id] = kept._replace(session=session)

    def forget(self, session_id: str) -> None:
        """Drop a prediction that was wrong."""
        kept = self._sessions.pop(session_id, None)
        if kept is not None:
            self._bytes -= kept.size

    def discard_stale(self, session_id: str) -> None:
        """Drop a prediction unless it was made since the answers of this round trip came.

        Of many changes of one session that were refused together, the first starts from what the
        server has. Each of the others starts from the result of the one before.
        """
        kept = self._sessions.get(session_id)
        if kept is not None and kept.round_trip < self._round_trip:
            self.forget(session_id)


def is_later(one: Session, other: Session) -> bool:
    """Whether one is a later state of the same session than the other."""
    return (one.revision, one.last_seq) > (other.revision, other.last_seq)
