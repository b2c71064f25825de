"""Appends several messages of one session in one step, each with its meaning, as if one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..interface.atomic_store import AtomicSessionStore, Change
from ..values.errors import OutcomeUnknown
from ..values.message import MessageEnvelope
from ..values.message_context import MessageContext
from ..values.session import Session
from .exchanges import Exchange, RecordOutcome, is_part, is_request
from .lifecycle import Offer
from .meaning import Part, combine_changes, read_parts
from .rate_limiter import RateToken
from .services import Services

__all__ = ["append_many"]

_Frame: TypeAlias = "tuple[MessageEnvelope, list[Part]]"


async def append_many(
    services: Services,
    reader: AtomicSessionStore,
    session_id: str,
    envelopes: Sequence[MessageEnvelope],
    *,
    to_send: Callable[[bool], AtomicSessionStore],
) -> range:
    """Append messages of one session and make the changes that they imply.

    `to_send` returns the store that takes them, or refuses; it is told whether a request begins.
    """
    frames: list[_Frame] = [(envelope, read_parts(envelope)) for envelope in envelopes]
    offered = await _offers_before(services, reader, session_id, frames)
    begins = any(is_request(head) for _, parts in frames for head, _, _ in parts)
    # From here to the store's mailbox nothing awaits: the checks still hold when they are sent.
    store = to_send(begins)
    step = _Step(services)
    outcome = RecordOutcome.REFUSED
    try:
        for envelope, parts in frames:
            step.add(envelope, parts, offered)
        outcome = RecordOutcome.UNKNOWN
        numbers = await store.add_frames(session_id, envelopes, change=step.change())
        outcome = RecordOutcome.RECORDED
    except OutcomeUnknown:
        raise
    except Exception:
        outcome = RecordOutcome.REFUSED
        raise
    finally:
        step.settle(outcome)
    return numbers


async def _offers_before(
    services: Services, reader: AtomicSessionStore, session_id: str, frames: Sequence[_Frame]
) -> list[tuple[Offer, ...]]:
    """Return, for each result, the offers before these frames that it may belong to."""
    handshakes = services.handshakes
    results = [
        (envelope.context, head)
        for envelope, parts in frames
        for head, _, result in parts
        if result is not None
    ]
    known = [handshakes.answered(context, head) for context, head in results]
    if None in known or handshakes.is_looking_up(session_id):
        heads = [head for _, head in results]
        return await handshakes.look_up(reader, frames[0][0].context, heads)
    return [offers or () for offers in known]


class _Step:
    """What the frames of one step mean, taken in their order."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limits_rates = services.rates is not None
        self._changes: list[Change] = []
        self._begun: list[tuple[Exchange | None, RateToken | None]] = []
        self._asked: list[tuple[MessageContext, Part]] = []

    def add(
        self, envelope: MessageEnvelope, parts: Sequence[Part], offered: list[tuple[Offer, ...]]
    ) -> None:
        """Take the next frame, and its results' offers from `offered`. Raises `LimitExceeded`."""
        services, context = self._services, envelope.context
        known: list[tuple[Offer, ...]] = []
        for head, _, result in parts:
            if result is not None:
                before = offered.pop(0)
                # Its request may be one of these frames.
                now = services.handshakes.answered(context, head)
                known.append(before if now is None else now)
        change = combine_changes(envelope, parts, known)
        if change is not None:
            self._changes.append(change)
        if self._limits_rates or (services.tracks and any(is_part(part[0]) for part in parts)):
            self._begun.append(services.exchange(context, parts))
        for part in services.handshakes.pass_by_all(context, parts):
            self._asked.append((context, part))

    def change(self) -> Change | None:
        """Return what all of them change, one after the other; None if nothing."""
        changes = self._changes
        if not changes:
            return None

        def change_all(session: Session) -> Session:
            for each in changes:
                session = each(session)
            return session

        return change_all

    def settle(self, outcome: RecordOutcome) -> None:
        """Report the outcome; of what was refused, the last is taken back first."""
        refused = outcome is RecordOutcome.REFUSED
        for exchange, token in reversed(self._begun) if refused else self._begun:
            if token is not None:
                token.settle(kept=not refused)
            if exchange is not None:
                exchange.settle(outcome)
        if refused:
            for context, (head, offer, _) in reversed(self._asked):
                self._services.handshakes.withdraw(context, head, offer)
