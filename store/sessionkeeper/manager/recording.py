"""Appends a message, with its meaning for its session and for the requests."""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore, Change
from ..values.errors import LimitExceeded, OutcomeUnknown
from ..values.message import MessageEnvelope
from .exchanges import Exchange, RecordOutcome
from .rate_limiter import RateToken

__all__ = ["append", "append_settled"]


async def append(store: AtomicSessionStore, envelope: MessageEnvelope, change: Change) -> int:
    """Append a message and make the change it implies, in one step."""
    session_id = envelope.context.session_id
    try:
        return (await store.add_frames(session_id, [envelope], change=change)).stop - 1
    except LimitExceeded as full:
        if full.limit != "max_metadata_bytes":
            raise
        # A client name that is too large must not lose its message.
        return await store.add_frame(envelope)


async def append_settled(
    store: AtomicSessionStore,
    envelope: MessageEnvelope,
    change: Change | None,
    exchange: Exchange | None = None,
    token: RateToken | None = None,
) -> int:
    """Append a message, and report the outcome to its exchange."""
    outcome = RecordOutcome.UNKNOWN
    try:
        if change is None:
            seq = await store.add_frame(envelope)
        else:
            seq = await append(store, envelope, change)
        outcome = RecordOutcome.RECORDED
    except OutcomeUnknown:
        raise
    except Exception:
        outcome = RecordOutcome.REFUSED
        raise
    finally:
        if token is not None:
            token.settle(kept=outcome is not RecordOutcome.REFUSED)
        if exchange is not None:
            exchange.settle(outcome)
    return seq
