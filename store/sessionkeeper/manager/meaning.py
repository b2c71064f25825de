"""The effect of a frame on the state of its session: of one message, or of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from ..interface.atomic_store import Change
from ..values.jsonrpc import RpcHead
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction
from .lifecycle import Offer, Result, implied_change, read_offer, read_result

__all__ = ["Part", "combine_changes", "may_settle", "read_parts"]

Part: TypeAlias = "tuple[RpcHead, Offer | None, Result | None]"
"""A message of a frame, with its offer and its result; nearly all have neither."""


def read_parts(envelope: MessageEnvelope) -> list[Part]:
    """Return the messages of a frame: one, those of a batch, or none for an odd frame."""
    return [
        (head, read_offer(envelope, head), read_result(envelope, head)) for head in envelope.heads()
    ]


def may_settle(envelope: MessageEnvelope) -> bool:
    """Whether a frame may hold a result that settles a version: whenever `read_parts` finds one."""
    message = envelope.message
    return envelope.context.direction is Direction.SERVER_TO_CLIENT and (
        b'protocolVersion"' in message or b'serverInfo"' in message
    )


def combine_changes(
    envelope: MessageEnvelope, parts: Sequence[Part], answered: Iterable[Sequence[Offer] | None]
) -> Change | None:
    """Return the change that the messages of a frame imply, one after the other; None for none.

    `answered` are the offers that each result among them may belong to.
    """
    changes: list[Change] = []
    of = iter(answered)
    for head, offer, result in parts:
        offers = None if result is None else next(of)
        change = implied_change(envelope, head, offer=offer, result=result, answered=offers or ())
        if change is not None:
            changes.append(change)
    if len(changes) <= 1:
        return changes[0] if changes else None

    def change_all(session: Session) -> Session:
        for each in changes:
            session = each(session)
        return session

    return change_all
