"""Appends several messages of one session in one step, each with its meaning, as if one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..interface.atomic_store import AtomicSessionStore, Change
from ..values.errors import OutcomeUnknown
from ..values.message import MessageEnvelope
from ..values.session import Session
from .exchanges import is_request
from .handshakes import Handshakes
from .meaning import combine_changes, may_settle, read_parts

__all__ = ["append_many"]


async def append_many(
    handshakes: Handshakes,
    reader: AtomicSessionStore,
    session_id: str,
    envelopes: Sequence[MessageEnvelope],
    *,
    to_send: Callable[[bool], AtomicSessionStore],
) -> range:
    """Append messages of one session and make the changes that they imply.

    `to_send` returns the store that takes them, or refuses; it is told whether a request begins.
    Raises `ValueError` if one but the first `may_settle`: the offers that it belongs to are found
    when all before it are in the log.
    """
    if any(map(may_settle, envelopes[1:])):
        raise ValueError("a result that may settle a version is the first of its step")
    frames = [(envelope.context, read_parts(envelope), envelope) for envelope in envelopes]
    context, parts, _ = frames[0]
    results = [head for head, _, result in parts if result is not None]
    known = [handshakes.answered(context, head) for head in results]
    if None in known or handshakes.is_looking_up(session_id):
        known = [*await handshakes.look_up(reader, context, results)]
    begins = any(is_request(head) for _, parts, _ in frames for head, _, _ in parts)
    # From here to the store's mailbox nothing awaits: the checks still hold when they are sent.
    store = to_send(begins)
    changes: list[Change] = []
    passed: list[Callable[[], None]] = []
    for context, parts, envelope in frames:
        change = combine_changes(envelope, parts, known)
        if change is not None:
            changes.append(change)
        passed += handshakes.pass_by_all(context, parts)
    try:
        return await store.add_frames(session_id, envelopes, change=_all_of(changes))
    except OutcomeUnknown:
        raise
    except Exception:
        for take_back in reversed(passed):
            take_back()
        raise


def _all_of(changes: Sequence[Change]) -> Change | None:
    if not changes:
        return None

    def change_all(session: Session) -> Session:
        for each in changes:
            session = each(session)
        return session

    return change_all
