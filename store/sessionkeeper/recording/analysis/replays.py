"""Server-sent events that come again after a lost connection.

Source: MCP 2025-11-25, "Resumability and Redelivery".
"""

from __future__ import annotations

from collections import OrderedDict

from ...values.delivery import SseDelivery
from ...values.message import MessageEnvelope

__all__ = ["Replays"]

_MAX_EVENTS = 65_536


class Replays:
    """The last events of a session."""

    def __init__(self) -> None:
        self._events: OrderedDict[tuple[str, int], None] = OrderedDict()

    def note(self, envelope: MessageEnvelope) -> bool:
        """Note a frame; return whether it is an event that came before."""
        delivery = envelope.context.delivery
        if not isinstance(delivery, SseDelivery) or delivery.event_id is None:
            return False
        # With its bytes: some servers number the events of each stream from 1.
        event = (delivery.event_id, hash(envelope.message))
        if event in self._events:
            return True
        self._events[event] = None
        if len(self._events) > _MAX_EVENTS:
            self._events.popitem(last=False)
        return False
