"""What sessions probably are by the time a batch reaches the server.

The changes of one session in one batch each start from what the one before made of it, so all are
taken in one round trip. A guess is never believed: the server compares what a function saw with
what is there, and what a function made of a guess alone is told to nobody before that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from ...values.session import Session
from .keys import Bucket

__all__ = ["Predictions"]

_KEPT, _BYTES = 1024, 16 * 1024 * 1024
"""Most sessions kept, and bytes of their JSON."""


class Predictions:
    """Sessions that were changed lately, as this process would expect them."""

    __slots__ = ("_bytes", "_expected", "_known", "_round", "_sessions")

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, tuple[Session, str, int, int]] = OrderedDict()
        """With the digest of each, the round before which it was kept, and its bytes."""
        self._bytes = 0
        self._known: dict[Bucket, int] = {}
        """The revision given last in each bucket, as far as was seen."""
        self._expected: dict[Bucket, int] = {}
        self._round = 0

    def begin(self, buckets: Iterable[Bucket]) -> None:
        """Start from what is known, with a round of questions: nothing else is asked of these."""
        for bucket in buckets:
            self._expected.pop(bucket, None)
        self._round += 1

    def get(self, session_id: str) -> tuple[Session, str] | None:
        """Return a session as it will probably be, and the digest of what it then holds."""
        kept = self._sessions.get(session_id)
        return None if kept is None else kept[:2]

    def revise(self, bucket: Bucket) -> int:
        """Count a change that is being sent; return the revision it will probably have."""
        revision = self._expected.get(bucket, self._known.get(bucket, 0)) + 1
        self._expected[bucket] = revision
        return revision

    def see(self, bucket: Bucket, revision: int) -> None:
        """Take note of a revision a session has."""
        if revision > self._known.get(bucket, 0):
            self._known[bucket] = revision

    def given(self, bucket: Bucket, revision: int) -> None:
        """Take note of a revision the server has given now: a lower one, if it lost its data."""
        self._known[bucket] = revision

    def note(self, session: Session, size: int, digest: str) -> None:
        """Keep what a session of `size` bytes is or will be, unless a later one is kept."""
        sessions = self._sessions
        kept = sessions.get(session.id)
        if kept is None or later(session, kept[0]):
            self._bytes += size - (0 if kept is None else kept[3])
            sessions[session.id] = session, digest, self._round, size
        sessions.move_to_end(session.id)
        while self._bytes > _BYTES or len(sessions) > _KEPT:
            self.forget(next(iter(sessions)))

    def append(self, session_id: str, count: int, maximum: int, *, scope: str) -> None:
        """Expect so many frames more in a log, which holds so many at most.

        None of what a principal, the `scope`, sends to another's session: that will be refused.
        """
        kept = self._sessions.get(session_id)
        if kept is not None and (not scope or kept[0].principal == scope):
            session, digest, made, size = kept
            longer = {
                "last_seq": session.last_seq + count,
                "frame_count": min(session.frame_count + count, maximum),
            }
            session = Session.trusted(session.__dict__ | longer)
            self._sessions[session_id] = session, digest, made, size

    def forget(self, session_id: str) -> None:
        """Drop a guess that was wrong."""
        kept = self._sessions.pop(session_id, None)
        if kept is not None:
            self._bytes -= kept[3]

    def discard_stale(self, session_id: str) -> None:
        """Drop a guess unless it was made since the answers of this round came.

        Of many changes of one session that were refused together, the first starts from what the
        server has and the others from what that one makes of it.
        """
        kept = self._sessions.get(session_id)
        if kept is not None and kept[2] < self._round:
            self.forget(session_id)


def later(one: Session, other: Session) -> bool:
    """Whether one is a later state of the same session than the other."""
    return (one.revision, one.last_seq) > (other.revision, other.last_seq)
