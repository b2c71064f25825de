"""An item of a conversation as a frame, and the record of a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

from agents import TResponseInputItem

from sessionkeeper import (
    Direction,
    MessageEnvelope,
    Session,
    SessionState,
    StoreClosed,
    TransportType,
)

__all__ = ["ITEM", "TAG", "ClosedSession", "envelopes", "is_item", "item_in", "record"]

ITEM = "application/vnd.openai-agents.item+json"
"""The media type of the frames that are items."""
TAG = "openai-agents"
_MAX_SHOWN = 1_024
"""Characters of a session id that its record shows; the key of the record is made of all."""
_FROM_APPLICATION = frozenset({"user", "system", "developer"})


class ClosedSession(StoreClosed, RuntimeError):
    """The store of a session is closed; nothing was done. The SDK's sessions raise RuntimeError."""

    def __init__(self, name: str = "StoreSession") -> None:
        RuntimeError.__init__(self, f"{name} is closed")


def envelopes(key: str, items: Iterable[TResponseInputItem]) -> list[MessageEnvelope]:
    """Make the frames of items. Raises `TypeError` and `ValueError` for what is no JSON."""
    return [
        MessageEnvelope.of_payload(key, _encoded(item), media_type=ITEM, direction=_direction(item))
        for item in items
    ]


def is_item(envelope: MessageEnvelope) -> bool:
    """Whether a frame is an item: not one that was taken out, and not another program's."""
    return envelope.media_type == ITEM


def item_in(envelope: MessageEnvelope) -> TResponseInputItem:
    """Read an item."""
    return cast("TResponseInputItem", json.loads(envelope.message.decode()))


def record(key: str, session_id: str) -> Session:
    """Make the session of the store that keeps a conversation."""
    shown = len(session_id) <= _MAX_SHOWN and session_id.isprintable()
    return Session.new(
        id=key,
        transport_type=TransportType.IN_PROCESS,
        state=SessionState.ACTIVE,
        tags={TAG},
        metadata={"session_id": session_id} if shown else {},
    )


def _encoded(item: TResponseInputItem) -> bytes:
    if not isinstance(item, dict):
        raise TypeError(f"an item is a dict, not {type(item).__name__}")
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can only escape
        return json.dumps(item, separators=(",", ":")).encode()


def _direction(item: TResponseInputItem) -> Direction:
    """What the application says goes to the model; the rest came from there."""
    kind = str(item.get("type", ""))
    told = item.get("role") in _FROM_APPLICATION or kind.endswith("_output")
    return Direction.CLIENT_TO_SERVER if told else Direction.SERVER_TO_CLIENT
