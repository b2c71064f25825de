"""The operations that reading and writing whole objects cannot do safely."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Self, TypeAlias

from .guarantees import Guarantees
from .interface import SessionStore
from .message import Frame, MessageEnvelope
from .session import Session
from .statistics import StoreStatistics

__all__ = ["AtomicSessionStore", "Change"]

Change: TypeAlias = Callable[[Session], Session]
"""A pure, quick function from the current session to the one to store."""


class AtomicSessionStore(SessionStore):
    """A store every method of which is one linearizable operation.

    A backend that cannot keep that for a method refuses the method; it never weakens it in
    silence.
    """

    guarantees: ClassVar[Guarantees]
    """What this store promises, for programs to read; the tests hold it to that."""

    async def open(self) -> Self:
        """Get ready for use on the running loop; `async with` does it. Nothing to do here."""
        return self

    @property
    def is_open(self) -> bool:
        """Whether it takes operations now; a store that needs no opening always does."""
        return True

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Stop taking operations and let go of everything. Idempotent. Nothing to do here."""

    async def __aenter__(self) -> Self:
        # What a factory made is open already, and may be entered all the same.
        return self if self.is_open else await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @abstractmethod
    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Replace a session by `change(session)` and return what is stored. Atomic.

        `change` runs where the state lives and sees the current session, so it never conflicts.
        What it raises reaches the caller and nothing is stored. It must be pure and quick: it may
        run more than once, and calling the store from it raises. Returning the very session it
        was given changes nothing, not even the revision.

        Raises `SessionNotFound`, `InvalidTransition`, `VersionConflict`, `LimitExceeded`,
        `TypeError` when `change` returns no session, `ValueError` when it returns another one.
        """

    @abstractmethod
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        """Return the session of this id and whether this call created it.

        Exactly one of many racing callers creates. Raises `LimitExceeded`. Atomic.
        """

    @abstractmethod
    async def touch_session(self, session_id: str, /) -> None:
        """Set the time of last activity to now, and nothing else.

        Raises `SessionNotFound`, `SessionClosed`. Atomic.
        """

    @abstractmethod
    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        """Append messages, all or none, and return their numbers, which have no gap.

        `expected_last_seq` is the number the log must end with; `change` modifies the session in
        the same step, as `modify_session` does.

        Raises `SessionNotFound`, `SessionClosed`, `SequenceConflict`, `LimitExceeded`, what
        `change` raises, `ValueError` when an envelope belongs to another session. Atomic.
        """

    @abstractmethod
    async def read_frames(
        self, session_id: str, /, *, after: int = 0, limit: int = 1000, newest: bool = False
    ) -> list[Frame]:
        """Return at most `limit` frames with a number greater than `after`, in order.

        With `newest`, the last ones instead of the first ones. The cost depends on what is
        returned, not on the length of the log. Raises `SessionNotFound`, `ValueError`. Atomic.
        """

    @abstractmethod
    async def statistics(self) -> StoreStatistics:
        """Return one moment's numbers: sessions by state, frames, bytes, the mailbox."""
