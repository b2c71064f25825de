"""The manager of sessions: it creates, records and ends them through the store's interface."""

from __future__ import annotations

from collections.abc import Sequence

from ..interface.arguments import checked_envelopes, plain_envelope
from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import OutcomeUnknown, SessionNotFound
from ..values.ids import checked_id
from ..values.jsonrpc import RequestId, RpcHead
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction
from .exchanges import is_part, is_request, request_answered
from .lifecycle import Offer
from .managed_store import ManagedStore
from .meaning import combine_changes, read_parts
from .operations import SessionOperations
from .pending import PendingRequest
from .principal import PrincipalManager, Ways
from .recording import append, append_settled
from .recording_many import append_many
from .requests import RequestTracker
from .statistics import ManagerStatistics

__all__ = ["SessionManager"]


class SessionManager(ManagedStore, SessionOperations):
    """Opens, records and ends sessions; every operation is one atomic step of its store.

    Use it as `async with SessionManager() as manager`, which keeps sessions in memory, or with
    any store: `SessionManager.with_store(store)`. Beside the store it matches requests with their
    responses, limits rates, calls `hooks`, and sweeps expired sessions, as its configuration
    says. `clock` and `sleep` are for tests.
    """

    async def record(self, envelope: MessageEnvelope, /) -> int:
        """Append a message and make the change of state it implies, in one atomic step.

        A batch is one frame and has the effect of each of its messages. An odd frame is recorded
        and has no effect; to refuse it instead, make the envelope with `strict=True`.
        `initialize` and its result bring names and versions, `initialized` makes the session
        active. A result settles what its own request offered, never what another one did. A request
        is pending from now on until it is answered, cancelled or timed out, or its session ends.
        Returns the frame's number.

        Raises `SessionNotFound`, `SessionClosed`, `LimitExceeded`, of requests too
        (`max_pending_per_session`, `max_pending`), `RateLimited`, `StoreClosed`, `TypeError`;
        then nothing was recorded and nothing counts.
        """
        return await self._record(envelope, None)

    async def record_many(self, session_id: str, envelopes: Sequence[MessageEnvelope], /) -> range:
        """Append messages of one session and make the changes they imply, all or none, in one step.

        Each has the effect that it has by `record`, one after the other. Returns their numbers,
        which have no gap. A step of many costs little more than one message. It is for managers
        that neither track requests nor limit rates: `ManagerConfig.recording()`.

        Raises `SessionNotFound`, `SessionClosed`, `LimitExceeded`, `StoreClosed`, `TypeError`,
        `ValueError` when an envelope belongs to another session or one but the first is a result
        that may settle a version (`may_settle`), `NotImplementedError` by any other manager, or for
        a store that cannot append several at once; then nothing was recorded and nothing counts.
        `max_metadata_bytes` refuses all, where `record` appends a message without its change.
        """
        session_id = checked_id(session_id)
        checked = checked_envelopes(session_id, envelopes)
        if self._services.tracks or self._services.rates is not None:
            raise NotImplementedError(
                "requests are tracked or rates limited: record each by itself"
            )

        def to_send(begins: bool) -> AtomicSessionStore:
            return self._to_begin() if begins else self._to_write()

        if not checked:
            return await to_send(False).add_frames(session_id, checked)
        handshakes = self._services.handshakes
        return await append_many(handshakes, self.store, session_id, checked, to_send=to_send)

    async def _record(
        self, envelope: MessageEnvelope, view: AtomicSessionStore | None, *, late: str = ""
    ) -> int:
        """Append to the store or to the view of a principal.

        `late` names a principal that is not known to own the session. Then the message affects
        requests, rates and handshakes only once it is in the log, and no state noted for the
        session is used, because the session may be another principal's.
        """
        envelope = plain_envelope(envelope)
        context, services = envelope.context, self._services
        handshakes = services.handshakes
        parts = read_parts(envelope)
        begins, takes_part = False, services.rates is not None
        results: list[RpcHead] = []
        known: list[tuple[Offer, ...] | None] = []
        for head, _, result in parts:
            begins = begins or is_request(head)
            takes_part = takes_part or (services.tracks and is_part(head))
            if result is not None:
                results.append(head)
                known.append(None if late else handshakes.answered(context, head))
        if None in known or handshakes.is_looking_up(context.session_id, late):
            reader = self.store if view is None else view
            known = [*await handshakes.look_up(reader, context, results, principal=late)]
        # From here to the store's mailbox nothing awaits: the checks still hold when it is sent.
        store = self._to_begin() if begins else self._to_write()
        store = store if view is None else view
        change = combine_changes(envelope, parts, known)
        if late:
            seq = await append_settled(store, envelope, change)
            handshakes.pass_by_all(context, parts)
            if takes_part:
                services.exchange_late(context, parts)
            return seq
        exchange, token = services.exchange(context, parts) if takes_part else (None, None)
        passed = handshakes.pass_by_all(context, parts)
        try:
            if takes_part:
                return await append_settled(store, envelope, change, exchange, token)
            if change is None:
                return await store.add_frame(envelope)
            return await append(store, envelope, change)
        except OutcomeUnknown:
            raise
        except Exception:
            for take_back in reversed(passed):
                take_back()
            raise

    def pending_requests(self, session_id: str | None = None, /) -> list[PendingRequest]:
        """Return the requests without a response, of one session or of all, oldest first.

        An unknown session has none. Raises `TypeError`, `ValueError` for the id,
        `RuntimeError` when requests are not tracked.
        """
        checked = None if session_id is None else checked_id(session_id)
        return self._tracked().pending(checked)

    def match(self, envelope: MessageEnvelope, /) -> PendingRequest | None:
        """Return the pending request that a response answers; it stays pending.

        Of a batch, the first such request. None if the message is no response, or answers no
        request of its session. Raises `TypeError`, `RuntimeError` when requests are not tracked.
        """
        envelope, requests = plain_envelope(envelope), self._tracked()
        found = (request_answered(requests, envelope.context, head) for head in envelope.heads())
        return next((each for each in found if each is not None), None)

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
        asked = Direction(direction).opposite
        return self._tracked().sessions_awaiting(asked, request_id)

    async def statistics(self) -> ManagerStatistics:
        """Return the statistics of the store, and of requests, hooks and sweeps."""
        return await self._services.statistics(self.store)

    def for_principal(self, principal: str, /) -> PrincipalManager:
        """Return a view of the sessions of one principal, as the store's `for_principal` does.

        In the view every operation also checks, in its own step, that the session belongs to the
        principal; any other session is not found. `docs/guarantees.md` says what a view can learn
        about others. A view needs no closing.

        Raises `RuntimeError` before opening, `TypeError`, `ValueError`, and `NotImplementedError`
        when the store has no such view.
        """
        view = self.store.for_principal(principal)
        return PrincipalManager(view, self._ways(view, principal))

    @property
    def _versions(self) -> Sequence[str]:
        return self._config.supported_versions

    def _note(self, session: Session) -> Session:
        self._services.owners.note(session.id, session.principal)
        return session

    def _ways(self, view: AtomicSessionStore, principal: str) -> Ways:
        # Functions of their own: a bound method would lead to the manager.
        owners = self._services.owners

        async def record(envelope: MessageEnvelope) -> int:
            session_id = plain_envelope(envelope).context.session_id
            late = "" if owners.has(session_id, principal) else principal
            try:
                seq = await self._record(envelope, view, late=late)
            except SessionNotFound:
                owners.forget(session_id, principal)
                raise
            owners.note(session_id, principal)
            return seq

        def pending(session_id: str | None) -> list[PendingRequest]:
            found = self.pending_requests(session_id)
            return [each for each in found if owners.has(each.session_id, principal)]

        def match(envelope: MessageEnvelope) -> PendingRequest | None:
            found = self.match(envelope)
            own = found is not None and owners.has(found.session_id, principal)
            return found if own else None

        def awaiting(request_id: RequestId, direction: Direction | str) -> tuple[str, ...]:
            found = self.sessions_awaiting(request_id, direction=direction)
            return tuple(each for each in found if owners.has(each, principal))

        def check_begin() -> None:
            self._to_begin()

        def check_write() -> None:
            self._to_write()

        return Ways(
            versions=self._versions,
            check_begin=check_begin,
            check_write=check_write,
            record=record,
            seen=lambda session_id: owners.note(session_id, principal),
            pending=pending,
            match=match,
            awaiting=awaiting,
        )

    def _tracked(self) -> RequestTracker:
        if not self._services.tracks:
            raise RuntimeError("requests are not tracked: see ManagerConfig.track_requests")
        return self._services.requests
