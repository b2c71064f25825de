"""The operations on the sessions of a manager, or on those of one principal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..interface.atomic_store import AtomicSessionStore, Change
from ..interface.frame_watcher import FrameWatcher
from ..values.errors import SessionNotFound
from ..values.ids import checked_id
from ..values.session import Session
from ..values.states import SessionState, TransportType
from .lifecycle import ending
from .version_negotiation import negotiation

__all__ = ["SessionOperations"]


class SessionOperations(ABC):
    """Each operation is one atomic step of a store, or of the view of a principal on it."""

    @property
    @abstractmethod
    def store(self) -> AtomicSessionStore:
        """The store, for reading sessions and frames. Raises `RuntimeError` before opening."""

    @property
    @abstractmethod
    def _versions(self) -> Sequence[str]:
        """The supported protocol versions."""

    @abstractmethod
    def _to_begin(self) -> AtomicSessionStore:
        """Return the store for something new. Raises `StoreClosed` from `aclose` on."""

    @abstractmethod
    def _to_write(self) -> AtomicSessionStore:
        """Return the store for writing. Raises `StoreClosed` once what is pending was drained."""

    @abstractmethod
    def _note(self, session: Session) -> Session:
        """Note the principal of a session that the store has returned; return the session."""

    async def create_session(
        self, *, transport_type: TransportType | str, id: str | None = None, **fields: object
    ) -> Session:
        """Create a session, with a fresh random id when none is given.

        `fields` are the caller's fields of `Session`. Raises `SessionExists`, `LimitExceeded`,
        `StoreClosed`, `TypeError`, `ValueError`. Atomic.
        """
        session = Session.new(transport_type=transport_type, id=id, **fields)
        return self._note(await self._to_begin().create_session(session))

    async def get_session(self, session_id: str, /) -> Session:
        """Return the session as it is now. Raises `SessionNotFound`. Atomic."""
        return self._note(await self.store.get_session(session_id))

    async def get_or_create_session(
        self, *, transport_type: TransportType | str, id: str, **fields: object
    ) -> tuple[Session, bool]:
        """Return the session and whether this call created it; one of many callers does.

        With a `principal`, a session of another, or of nobody, is not found. Raises as
        `create_session`, but never `SessionExists`, and `SessionNotFound`. Atomic.
        """
        new = Session.new(transport_type=transport_type, id=checked_id(id), **fields)
        session, created = await self._to_begin().get_or_create_session(new)
        # The principal comes from the same step as the answer, not from a second read.
        if new.principal is not None and session.principal != new.principal:
            raise SessionNotFound(new.id)
        return self._note(session), created

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Replace a session by `change(session)`; see `AtomicSessionStore.modify_session`."""
        return self._note(await self._to_write().modify_session(session_id, change))

    async def negotiate_version(self, session_id: str, requested: str, /) -> str:
        """Settle on a protocol version and return it.

        It is the requested version if that is supported, else the newest supported one. A second
        call returns the same. Raises `VersionConflict` when another version is settled or named by
        the transport's header, `SessionNotFound`, `SessionClosed`, `TypeError`, `ValueError`.
        Atomic.
        """
        change = negotiation(requested, self._versions)
        session = await self._to_write().modify_session(session_id, change)
        return str(session.version_state.negotiated)

    async def complete_session(self, session_id: str, /) -> Session:
        """End a session in good order; a second call changes nothing.

        Raises `SessionNotFound`, `InvalidTransition` when it ended otherwise. Atomic.
        """
        return await self._to_write().modify_session(session_id, ending(SessionState.CLOSED, None))

    async def fail_session(self, session_id: str, reason: str, /) -> Session:
        """End a session as failed; `reason` is 1 to 1,024 characters.

        Raises `SessionNotFound`, `InvalidTransition`, `TypeError`, `ValueError`. Atomic.
        """
        if not isinstance(reason, str):
            raise TypeError(f"a reason is a str, not {type(reason).__name__}")
        change = ending(SessionState.FAILED, reason)
        return await self._to_write().modify_session(session_id, change)

    async def delete_session(self, session_id: str, /) -> None:
        """Delete a session and its frames. Raises `SessionNotFound`. Atomic."""
        await self._to_write().delete_session(session_id)

    def watch(self, session_id: str, /, *, after: int = 0) -> FrameWatcher:
        """Follow the frames of a session; see `AtomicSessionStore.watch_frames`."""
        return self.store.watch_frames(session_id, after=after)
