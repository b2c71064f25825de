"""The interface of every session store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..values.message import MessageEnvelope
from ..values.session import Session

__all__ = ["SessionStore"]


class SessionStore(ABC):
    """Sessions by id, each with an append-only log of frames.

    An error of the `SessionError` tree other than `OutcomeUnknown` means: certainly no effect.
    Wrong types raise `TypeError`, ill-formed ids and values `ValueError`.
    """

    @abstractmethod
    async def create_session(self, session: Session, /) -> Session:
        """Store a new session and return it with its revision.

        Raises `SessionExists`, `LimitExceeded`. Atomic.
        """

    @abstractmethod
    async def get_session(self, session_id: str, /) -> Session:
        """Return the current session. Raises `SessionNotFound`. Atomic."""

    @abstractmethod
    async def update_session(self, session: Session, /) -> Session:
        """Replace the caller's fields of a session, if the snapshot is not stale.

        Raises `SessionNotFound`, `RevisionConflict` when its revision is not the stored one,
        `InvalidTransition`, `VersionConflict`, `LimitExceeded`. Atomic.
        """

    @abstractmethod
    async def delete_session(self, session_id: str, /) -> None:
        """Delete a session and its frames in one step. Raises `SessionNotFound`. Atomic."""

    @abstractmethod
    async def list_sessions(self) -> list[Session]:
        """Return all sessions in order of creation, all of one moment. O(sessions)."""

    @abstractmethod
    async def count_sessions(self) -> int:
        """Return how many sessions there are, exactly. O(1)."""

    @abstractmethod
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        """Append a message to the log of its session and return its number.

        Numbers start at 1, have no gap, and are given in the order of the log.
        Raises `SessionNotFound`, `SessionClosed`, `LimitExceeded`. Atomic.
        """

    @abstractmethod
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        """Return all messages of a session in order. Raises `SessionNotFound`. O(frames)."""

    @abstractmethod
    async def delete_frames(self, session_id: str, /) -> int:
        """Delete all frames of a session and return how many; the numbering continues.

        Raises `SessionNotFound`. Atomic.
        """

    @abstractmethod
    async def count_frames(self, session_id: str, /) -> int:
        """Return how many frames a session has, exactly. Raises `SessionNotFound`. O(1)."""

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Return sessions in the order asked. Raises `SessionNotFound`.

        Not atomic: this default reads one by one, and others may write in between.
        """
        return [await self.get_session(session_id) for session_id in session_ids]

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update sessions in order and return the stored ones. Raises as `update_session`.

        Not atomic: this default stops at the first error and leaves the earlier ones updated.
        """
        return [await self.update_session(session) for session in sessions]
