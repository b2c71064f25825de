"""The life of sessions: opened, recorded, ended. It knows its store only by the interface."""

from __future__ import annotations

from ..arguments import plain_envelope
from ..atomic import Change
from ..ids import checked_id
from ..jsonrpc import RequestId, read_head
from ..lifecycle import ending, implied_change
from ..message import MessageEnvelope
from ..session import Session
from ..states import Direction, SessionState, TransportType
from ..watcher import FrameWatcher
from .exchanges import is_part, is_request, request_answered
from .opening import ManagedStore
from .pending import PendingRequest
from .recording import append, append_settled
from .requests import RequestTracker, opposite
from .statistics import ManagerStatistics
from .versions import negotiation

__all__ = ["SessionManager"]


class SessionManager(ManagedStore):
    """Opens, records and ends sessions; every operation is one atomic step of its store.

    Use it as `async with SessionManager() as manager`, which keeps sessions in memory, or with
    any store: `SessionManager.with_store(store)`. Beside the store it matches requests with their
    responses, limits rates, calls `hooks`, and sweeps away what is past its time, as its
    configuration says. `clock` and `sleep` are for tests.
    """

    async def create_session(
        self, *, transport_type: TransportType | str, id: str | None = None, **fields: object
    ) -> Session:
        """Create a session, with a fresh random id when none is given.

        `fields` are the caller's fields of `Session`. Raises `SessionExists`, `LimitExceeded`,
        `StoreClosed`, `TypeError`, `ValueError`. Atomic.
        """
        session = Session.new(transport_type=transport_type, id=id, **fields)
        return await self._to_begin().create_session(session)

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
        return await self._to_begin().get_or_create_session(session)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Replace a session by `change(session)`; see `AtomicSessionStore.modify_session`."""
        return await self._to_write().modify_session(session_id, change)

    async def record(self, envelope: MessageEnvelope, /) -> int:
        """Append a message and make the change of state it implies, in one atomic step.

        `initialize` and its result bring names and versions, `initialized` makes the session
        active. A request is pending from now on until it is answered, cancelled or timed out, its
        session ends, or its id is asked again. Returns the frame's number.

        Raises `SessionNotFound`, `SessionClosed`, `LimitExceeded`, of requests too
        (`max_pending_per_session`, `max_pending`), `RateLimited`, `StoreClosed`, `TypeError`;
        then nothing was recorded and nothing counts.
        """
        envelope = plain_envelope(envelope)
        head = read_head(envelope.message)
        # From here to the store's mailbox nothing awaits: what is checked holds when it is sent.
        store = self._to_begin() if is_request(head) else self._to_write()
        change = implied_change(envelope, head)
        upkeep = self._upkeep
        if upkeep.rates is not None or (upkeep.tracks and is_part(head)):
            exchange = upkeep.exchange(envelope.context, head)
            return await append_settled(store, envelope, change, exchange, upkeep.rates)
        if change is None:
            return await store.add_frame(envelope)
        return await append(store, envelope, change)

    async def negotiate_version(self, session_id: str, requested: str, /) -> str:
        """Settle on a protocol version and return it.

        The one requested if it is supported, else the newest that is. Asked again, the answer is
        the same. Raises `VersionConflict` when another one is settled or the transport's header
        says another, `SessionNotFound`, `SessionClosed`, `TypeError`, `ValueError`. Atomic.
        """
        change = negotiation(requested, self._config.supported_versions)
        session = await self._to_write().modify_session(session_id, change)
        return str(session.version_state.negotiated)

    async def complete_session(self, session_id: str, /) -> Session:
        """End a session in good order; ending one so twice changes nothing.

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

    def pending_requests(self, session_id: str | None = None, /) -> list[PendingRequest]:
        """Return the requests without a response, of one session or of all, oldest first.

        None of a session that is not known. Raises `TypeError`, `ValueError` for the id,
        `RuntimeError` when requests are not tracked.
        """
        checked = None if session_id is None else checked_id(session_id)
        return self._tracked().pending(checked)

    def match(self, envelope: MessageEnvelope, /) -> PendingRequest | None:
        """Return the pending request that a response answers; it stays pending.

        None for what is no response, or answers none of its session. Raises `TypeError`,
        `RuntimeError` when requests are not tracked.
        """
        envelope = plain_envelope(envelope)
        return request_answered(self._tracked(), envelope.context, read_head(envelope.message))

    def sessions_awaiting(
        self, request_id: RequestId, /, *, direction: Direction | str
    ) -> tuple[str, ...]:
        """Return the ids of the sessions that wait for a response with this id.

        For a transport that has lost the session of a response; ids are unique in a session only,
        so there can be several. `direction` is the response's. Raises `TypeError`, `ValueError`,
        `RuntimeError` when requests are not tracked.
        """
        if type(request_id) not in (int, str):
            raise TypeError(f"a request id is an int or a str, not {type(request_id).__name__}")
        if direction not in tuple(Direction):
            raise ValueError("a direction is client-to-server or server-to-client")
        asked = opposite(Direction(direction))
        return self._tracked().sessions_awaiting(asked, request_id)

    async def statistics(self) -> ManagerStatistics:
        """Return what the store holds and did, and what became of requests, hooks and sweeps."""
        return await self._upkeep.statistics(self.store)

    def _tracked(self) -> RequestTracker:
        if not self._upkeep.tracks:
            raise RuntimeError("requests are not tracked: see ManagerConfig.track_requests")
        return self._upkeep.requests
