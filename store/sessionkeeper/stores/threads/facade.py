"""The facade for threads: the methods of a store, blocking, from any thread or another loop."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Self, TypeVar

from ...interface.atomic_store import AtomicSessionStore, Change
from ...values.guarantees import Guarantees
from ...values.message import Frame, MessageEnvelope
from ...values.query import FrameSearch, SessionOrder, SessionPage, SessionQuery
from ...values.session import Session
from ...values.statistics import StoreStatistics
from .bridge import ThreadBridge, run_coroutine
from .frame_reader import FrameReader

__all__ = ["ThreadSafeSessionStore"]

R = TypeVar("R")


class ThreadSafeSessionStore:
    """An open store with an owner, for use by any number of threads.

    Its methods are those of `AtomicSessionStore` with the same arguments, results, errors and
    promises; they block until the reply is there. Commands of threads that wait at the same time
    reach the owner in one hop, in the mailbox of everyone else.

    After `timeout` seconds a method raises `TimeoutError`: what was still queued has certainly no
    effect, what the owner had taken is applied whole or not at all. A loop that stops for about
    half a second ends waiting with `StoreClosed`, or `OutcomeUnknown` if the owner had begun.
    On the loop's own thread every method raises `soleowner.WouldBlock`: await the store there.
    """

    def __init__(self, store: AtomicSessionStore, *, timeout: float | None = None) -> None:
        """Make one from any thread.

        Raises `TypeError` for a store without an owner, and what the store raises of an operation
        when it is not open.
        """
        if not isinstance(store, ThreadBridge):
            raise TypeError(f"a store with an owner is expected, not {type(store).__name__}")
        self._store: AtomicSessionStore = store
        self._facade, self._port = store.bridge()
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<ThreadSafeSessionStore {'open' if self.is_open else 'closed'} {self._store!r}>"

    @property
    def guarantees(self) -> Guarantees:
        """What the store promises."""
        return self._store.guarantees

    @property
    def is_open(self) -> bool:
        """Whether it takes operations now."""
        return not self._port.is_closed and self._store.is_open

    def within(self, timeout: float | None) -> Self:
        """Return a facade of the same store and port with another timeout."""
        other = copy(self)
        other._timeout = timeout
        return other

    def close(self) -> None:
        """Refuse new calls with `StoreClosed`; those under way are answered. Idempotent.

        The store stays open: it is its maker's to close.
        """
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, steps: Coroutine[Any, Any, R]) -> R:
        return run_coroutine(steps, self._port, timeout=self._timeout)

    def create_session(self, session: Session, /) -> Session:
        return self._do(self._facade.create_session(session))

    def get_session(self, session_id: str, /) -> Session:
        return self._do(self._facade.get_session(session_id))

    def update_session(self, session: Session, /) -> Session:
        return self._do(self._facade.update_session(session))

    def delete_session(self, session_id: str, /) -> None:
        self._do(self._facade.delete_session(session_id))

    def list_sessions(self) -> list[Session]:
        return self._do(self._facade.list_sessions())

    def count_sessions(self) -> int:
        return self._do(self._facade.count_sessions())

    def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return self._do(self._facade.add_frame(envelope))

    def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return self._do(self._facade.get_frames(session_id))

    def delete_frames(self, session_id: str, /) -> int:
        return self._do(self._facade.delete_frames(session_id))

    def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        return self._do(self._facade.count_frames(session_id, stream=stream))

    def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        return self._do(self._facade.get_sessions_batch(session_ids))

    def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        return self._do(self._facade.update_sessions_batch(sessions))

    def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Modify a session as `AtomicSessionStore` says; `change` runs where the owner does."""
        return self._do(self._facade.modify_session(session_id, change))

    def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return self._do(self._facade.get_or_create_session(session))

    def put_session(self, session: Session, /) -> Session:
        return self._do(self._facade.put_session(session))

    def touch_session(self, session_id: str, /) -> None:
        self._do(self._facade.touch_session(session_id))

    def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        return self._do(self._facade.archive_session(session, expected_last_seq=expected_last_seq))

    def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        return self._do(
            self._facade.add_frames(
                session_id, envelopes, expected_last_seq=expected_last_seq, change=change
            )
        )

    def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        newest: bool = False,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        return self._do(
            self._facade.read_frames(
                session_id,
                after=after,
                before=before,
                limit=limit,
                newest=newest,
                reverse=reverse,
                stream=stream,
                incarnation=incarnation,
            )
        )

    def search_frames(
        self,
        session_id: str,
        /,
        *,
        containing: Sequence[bytes | tuple[bytes, ...]],
        non_messages: bool = False,
        after: int = 0,
        limit: int = 1000,
        incarnation: str | None = None,
    ) -> FrameSearch:
        return self._do(
            self._facade.search_frames(
                session_id,
                containing=containing,
                non_messages=non_messages,
                after=after,
                limit=limit,
                incarnation=incarnation,
            )
        )

    def trim_frames(self, session_id: str, /, *, up_to: int, incarnation: str | None = None) -> int:
        return self._do(self._facade.trim_frames(session_id, up_to=up_to, incarnation=incarnation))

    def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        return self._do(self._facade.remove_frames(session_id, seqs, incarnation=incarnation))

    def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        pages = self._facade.find_sessions(query, order=order, cursor=cursor, limit=limit)
        return self._do(pages)

    def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        return self._do(self._facade.expire_sessions(idle=idle, age=age, limit=limit))

    def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        return self._do(
            self._facade.purge_sessions(ended_before=ended_before, ended_for=ended_for, limit=limit)
        )

    def watch_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> FrameReader:
        """Return a blocking iterator over the frames numbered above `after`; no timeout applies.

        Raises at once what the store's `watch_frames` raises at once.
        """
        return FrameReader(
            self._port,
            lambda: self._store.watch_frames(
                session_id, after=after, stream=stream, incarnation=incarnation
            ),
        )

    def for_principal(self, principal: str, /) -> Self:
        """Return the same facade for the sessions of one principal; both have one port.

        Raises as the store's `for_principal`.
        """
        view = copy(self)
        view._facade = self._facade.for_principal(principal)
        view._store = self._store.for_principal(principal)
        return view

    def statistics(self) -> StoreStatistics:
        return self._do(self._facade.statistics())
