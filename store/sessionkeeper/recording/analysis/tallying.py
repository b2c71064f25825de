"""How many calls and errors a session has, without reading its whole log."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...interface.atomic_store import AtomicSessionStore
from ...values.delivery import HttpDelivery
from ...values.kinds import MessageKind
from ...values.lease import TALLY_KEY
from ...values.message import MessageEnvelope
from ...values.session import Session
from ...values.states import Direction
from .facts import read_facts
from .refusals import is_refused_offer

__all__ = ["TALLY_KEY", "CallTally", "RunningTally", "tally"]

_TELLING = (b'"method"', b'"error"', b'"isError"')
_PAGE = 1_000
_MOST = 10_000
"""Frames that are read at most."""


class CallTally(msgspec.Struct, frozen=True, gc=False):
    """The number of calls of a session, in both directions, and of errors."""

    calls: int
    errors: int
    """Frames that report an error, also for what is no call. A batch has one for each message."""
    exact: bool = True
    """Whether every frame was counted; if not, these are the numbers of a part of the log."""


class _Kept(msgspec.Struct):
    calls: int
    errors: int
    last_seq: int


class RunningTally:
    """What a recorder counts while it records."""

    def __init__(self) -> None:
        self._kept = _Kept(0, 0, 0)

    def add(self, envelope: MessageEnvelope, seq: int) -> None:
        """Count a frame, each in the order of their numbers."""
        calls, errors = _count(envelope)
        before = self._kept
        self._kept = _Kept(before.calls + calls, before.errors + errors, seq)

    def into(self, session: Session) -> Session:
        """Return the session with the tally in its metadata. Raises as `Session.model_copy`."""
        metadata = {**session.metadata, TALLY_KEY: msgspec.to_builtins(self._kept)}
        return session.model_copy(update={"metadata": metadata})


async def tally(store: AtomicSessionStore, session: Session, /) -> CallTally:
    """Count the calls of a session: what its recorder counted, and the frames after that.

    At most 10,000 frames are read. Raises `SessionNotFound`, `StoreUnavailable`, `StoreClosed`.
    """
    kept = _kept(session)
    calls, errors, after = kept.calls, kept.errors, kept.last_seq
    # Trimmed frames that nobody counted.
    exact = session.last_seq - session.frame_count <= after
    last = min(session.last_seq, after + _MOST)
    while after < last:
        frames = await store.read_frames(
            session.id,
            after=after,
            before=last + 1,
            limit=_PAGE,
            incarnation=session.incarnation,
        )
        if not frames:
            break
        for frame in frames:
            more, failed = _count(frame.envelope)
            calls, errors = calls + more, errors + failed
        after = frames[-1].seq
    return CallTally(calls, errors, exact and last == session.last_seq)


def _kept(session: Session) -> _Kept:
    held = session.metadata.get(TALLY_KEY)
    try:
        # Another program may have written anything there.
        kept = msgspec.convert(dict(held) if isinstance(held, Mapping) else None, _Kept)
    except msgspec.ValidationError:
        return _Kept(0, 0, 0)
    fits = kept.calls >= 0 <= kept.errors and 0 <= kept.last_seq <= session.last_seq
    return kept if fits else _Kept(0, 0, 0)


def _count(envelope: MessageEnvelope) -> tuple[int, int]:
    calls, errors = _count_messages(envelope)
    if errors and is_refused_offer(envelope):
        return calls, 0
    return calls, errors or _is_refused_post(envelope)


def _is_refused_post(envelope: MessageEnvelope) -> bool:
    """Whether a server answered a POST with an HTTP error, whatever its body is."""
    context = envelope.context
    delivery = context.delivery
    return (
        isinstance(delivery, HttpDelivery)
        and context.direction is Direction.SERVER_TO_CLIENT
        and delivery.method == "POST"
        and (delivery.status or 0) >= 400
    )


def _count_messages(envelope: MessageEnvelope) -> tuple[int, int]:
    # Most results are not read: without one of these names nothing in them counts.
    if not any(name in envelope.message for name in _TELLING):
        return 0, 0
    kind = envelope.kind
    if kind is MessageKind.REQUEST:
        return 1, 0
    if kind is MessageKind.NOTIFICATION:
        return 0, 0
    if kind is MessageKind.ERROR:
        return 0, 1
    calls = errors = 0
    for facts in read_facts(envelope) or ():
        calls += facts.method is not None and facts.id is not None
        errors += facts.is_error or facts.is_tool_error
    return calls, errors
