"""The life of sessions: opened, recorded, ended. It knows its store only by the interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import Field

from .atomic import AtomicSessionStore, Change
from .backend_config import MemoryBackend, RedisBackend, SQLiteBackend
from .errors import LimitExceeded
from .factory import StorageFactory
from .ids import checked_id
from .interface import SessionStore
from .lifecycle import implied_change
from .message import MessageEnvelope
from .owned import OwnedSessionStore
from .session import Session
from .states import SessionState, TransportType
from .statistics import StoreStatistics
from .value import Value

__all__ = ["ManagerConfig", "ManagerStatistics", "SessionManager"]


class ManagerConfig(Value):
    """How a manager works."""

    backend: MemoryBackend | SQLiteBackend | RedisBackend = Field(
        default_factory=MemoryBackend, discriminator="kind"
    )
    """The store to make, unless one is given with `with_store`."""
    close_timeout: float | None = Field(default=10.0, gt=0)
    """Seconds to finish queued operations when closing; None waits for all."""


@dataclass(frozen=True, slots=True)
class ManagerStatistics:
    """What went through this manager since it was opened, and what its store holds."""

    created: int
    completed: int
    failed: int
    deleted: int
    recorded: int
    """Frames."""
    store: StoreStatistics


class SessionManager:
    """Opens, records and ends sessions; every operation is one atomic step of its store.

    Use it as `async with SessionManager() as manager`, which keeps sessions in memory, or with
    any store: `SessionManager.with_store(store)`.
    """

    _counters: ClassVar[tuple[str, ...]] = ("created", "completed", "failed", "deleted", "recorded")

    def __init__(self, config: ManagerConfig | None = None) -> None:
        self._config = ManagerConfig() if config is None else config
        if not isinstance(self._config, ManagerConfig):
            raise TypeError(f"a ManagerConfig is expected, not {type(config).__name__}")
        self._given: AtomicSessionStore | None = None
        self._store: AtomicSessionStore | None = None
        self._closes_store = True
        self._counts = dict.fromkeys(self._counters, 0)

    @classmethod
    def with_store(cls, store: SessionStore, config: ManagerConfig | None = None) -> Self:
        """Make a manager on a store that its maker opens and closes.

        A store with only the ten methods of `SessionStore` is given an owner. Raises `TypeError`
        when it is no store.
        """
        manager = cls(config)
        if isinstance(store, AtomicSessionStore):
            manager._given, manager._closes_store = store, False
        else:
            manager._given = OwnedSessionStore(store)
        return manager

    def __repr__(self) -> str:
        return f"<SessionManager on {self._store if self._store else 'no store yet'!r}>"

    @property
    def store(self) -> AtomicSessionStore:
        """The store, for reading sessions and frames. Raises `RuntimeError` before opening."""
        if self._store is None:
            raise RuntimeError("the manager is not open: use 'async with'")
        return self._store

    async def open(self) -> Self:
        """Make or adopt the store; `async with` does it.

        Raises `RuntimeError` when open already, and what opening the store raises.
        """
        if self._store is not None:
            raise RuntimeError("a manager is opened once")
        if self._given is None:
            self._store = await StorageFactory.create(self._config.backend)
        else:
            if self._closes_store:
                await self._given.open()
            self._store = self._given
        return self

    async def aclose(self) -> None:
        """Close what the manager opened, within `close_timeout`. Idempotent."""
        if self._store is not None and self._closes_store:
            await self._store.aclose(timeout=self._config.close_timeout)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def create_session(
        self, *, transport_type: TransportType | str, id: str | None = None, **fields: object
    ) -> Session:
        """Create a session, with a fresh random id when none is given.

        `fields` are the caller's fields of `Session`. Raises `SessionExists`, `LimitExceeded`,
        `TypeError`, `ValueError`. Atomic.
        """
        session = Session.new(transport_type=transport_type, id=id, **fields)
        created = await self.store.create_session(session)
        self._counts["created"] += 1
        return created

    async def get_session(self, session_id: str, /) -> Session:
        """Return the session as it is now. Raises `SessionNotFound`. Atomic."""
        return await self.store.get_session(session_id)

    async def get_or_create_session(
        self, *, transport_type: TransportType | str, id: str, **fields: object
    ) -> tuple[Session, bool]:
        """Return the session and whether this call created it; one of many callers does.

        Raises as `create_session`, but never `SessionExists`. Atomic.
        """
        session = Session.new(transport_type=transport_type, id=checked_id(id), **fields)
        found, created = await self.store.get_or_create_session(session)
        self._counts["created"] += created
        return found, created

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Replace a session by `change(session)`; see `AtomicSessionStore.modify_session`."""
        return await self.store.modify_session(session_id, change)

    async def record(self, envelope: MessageEnvelope, /) -> int:
        """Append a message and make the change of state it implies, in one atomic step.

        `initialize` and its result bring names and versions, `initialized` makes the session
        active. Returns the frame's number. Raises `SessionNotFound`, `SessionClosed`,
        `LimitExceeded`, `TypeError`.
        """
        if not isinstance(envelope, MessageEnvelope):
            raise TypeError(f"a frame is a MessageEnvelope, not {type(envelope).__name__}")
        change = implied_change(envelope)
        seq = await self._append(envelope, change)
        self._counts["recorded"] += 1
        return seq

    async def _append(self, envelope: MessageEnvelope, change: Change | None) -> int:
        if change is None:
            return await self.store.add_frame(envelope)
        session_id = envelope.context.session_id
        try:
            return (await self.store.add_frames(session_id, [envelope], change=change)).stop - 1
        except LimitExceeded as full:
            if full.limit != "max_metadata_bytes":
                raise
            # A name too large to keep is no reason to lose the message that told it.
            return await self.store.add_frame(envelope)

    async def complete_session(self, session_id: str, /) -> Session:
        """End a session in good order; ending one so twice changes nothing.

        Raises `SessionNotFound`, `InvalidTransition` when it ended otherwise. Atomic.
        """
        return await self._end(session_id, SessionState.CLOSED, None, "completed")

    async def fail_session(self, session_id: str, reason: str, /) -> Session:
        """End a session as failed; `reason` is 1 to 1,024 characters.

        Raises `SessionNotFound`, `InvalidTransition`, `TypeError`, `ValueError`. Atomic.
        """
        if not isinstance(reason, str):
            raise TypeError(f"a reason is a str, not {type(reason).__name__}")
        return await self._end(session_id, SessionState.FAILED, reason, "failed")

    async def delete_session(self, session_id: str, /) -> None:
        """Delete a session and its frames. Raises `SessionNotFound`. Atomic."""
        await self.store.delete_session(session_id)
        self._counts["deleted"] += 1

    async def statistics(self) -> ManagerStatistics:
        """Return what went through this manager and what its store holds now."""
        store = await self.store.statistics()
        return ManagerStatistics(**self._counts, store=store)

    async def _end(
        self, session_id: str, state: SessionState, failure: str | None, counter: str
    ) -> Session:
        ended = False

        def end(session: Session) -> Session:
            nonlocal ended
            ended = session.state is not state
            if not ended:
                return session
            return session.model_copy(update={"state": state, "failure": failure})

        session = await self.store.modify_session(session_id, end)
        self._counts[counter] += ended
        return session
