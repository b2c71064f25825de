"""The view of one principal on a manager: sessions of others do not exist in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..interface.atomic_store import AtomicSessionStore
from ..stores.principal_methods import hide_others
from ..values.errors import LimitExceeded
from ..values.jsonrpc import RequestId
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction
from .operations import SessionOperations
from .pending import PendingRequest

__all__ = ["PrincipalManager", "Ways"]


@dataclass(frozen=True, slots=True)
class Ways:
    """The functions through which a view uses its manager; none returns data of others."""

    versions: Sequence[str]
    check_begin: Callable[[], None]
    check_write: Callable[[], None]
    record: Callable[[MessageEnvelope], Awaitable[int]]
    seen: Callable[[str], None]
    """Notes that a session belongs to the principal."""
    pending: Callable[[str | None], list[PendingRequest]]
    match: Callable[[MessageEnvelope], PendingRequest | None]
    awaiting: Callable[[RequestId, Direction | str], tuple[str, ...]]


class PrincipalManager(SessionOperations):
    """Made by `SessionManager.for_principal`; every operation checks the session's principal.

    The check is in the operation's own step. A session created through it belongs to the
    principal, and none can be given away. `statistics`, opening and closing are the manager's.
    """

    def __init__(self, view: AtomicSessionStore, ways: Ways) -> None:
        self._view = view
        self._ways = ways

    def __repr__(self) -> str:
        return f"<PrincipalManager {'open' if self._view.is_open else 'closed'}>"

    @property
    def store(self) -> AtomicSessionStore:
        """The store's view of the same principal, for reading sessions and frames."""
        return self._view

    async def record(self, envelope: MessageEnvelope, /) -> int:
        """Append a message and make the change it implies; see `SessionManager.record`.

        A message to another principal's session affects neither its requests nor its rate. Raises
        as `SessionManager.record`. Atomic.
        """
        try:
            return await self._ways.record(envelope)
        except LimitExceeded as full:
            hide_others(full)
            raise

    def pending_requests(self, session_id: str | None = None, /) -> list[PendingRequest]:
        """Return the requests without a response, of one session or of all one's own.

        None of a session that this manager has not seen to be the principal's. Raises as
        `SessionManager.pending_requests`.
        """
        return self._ways.pending(session_id)

    def match(self, envelope: MessageEnvelope, /) -> PendingRequest | None:
        """Return one's own pending request that a response answers; see `SessionManager.match`."""
        return self._ways.match(envelope)

    def sessions_awaiting(
        self, request_id: RequestId, /, *, direction: Direction | str
    ) -> tuple[str, ...]:
        """Return the ids of one's own sessions that wait for a response with this id.

        See `SessionManager.sessions_awaiting`.
        """
        return self._ways.awaiting(request_id, direction)

    @property
    def _versions(self) -> Sequence[str]:
        return self._ways.versions

    def _to_begin(self) -> AtomicSessionStore:
        self._ways.check_begin()
        return self._view

    def _to_write(self) -> AtomicSessionStore:
        self._ways.check_write()
        return self._view

    def _note(self, session: Session) -> Session:
        self._ways.seen(session.id)
        return session
