"""What a recorder does with a redactor: apply it, count, and keep the manifest of its session."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from ...values.delivery import HttpDelivery, SseDelivery
from ...values.gap import Gap
from .manifest import REDACTION_KEY, Manifest
from .redactor import Redacted, RedactionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...values.delivery import Delivery
    from ...values.session import Session
    from ...values.states import Direction
    from ..protocol import Captured
    from .redactor import Redactor

__all__ = ["RunningRedaction"]

_FAILED = "redaction failed"
_MAX_DETAIL = 65_536
"""Characters that a text of a delivery may have."""
_ENDS = "gap-ends"
"""The kind of the ends of a message that was not kept: the rules cannot be applied to a part."""


class RunningRedaction:
    """Applies a redactor to each message of one session, before anything is made of it.

    `report` is called with one line when the redactor fails for the first time.
    """

    def __init__(self, redactor: Redactor, report: Callable[[str], None]) -> None:
        self._redactor = redactor
        self._report = report
        self._places: Counter[str] = Counter()
        self._has_failed = False

    async def apply_to(self, captured: Captured) -> tuple[Captured, int]:
        """Return a message as it is to be stored, and in how many places it was redacted.

        A message for which it fails becomes a gap. A gap never has the ends of its message: rules
        cannot be applied to a part.
        """
        message, origin, places = captured.message, captured.origin, 0
        if isinstance(message, bytes):
            redacted = await self.apply(message, captured.direction)
            if isinstance(redacted, Gap):
                message = redacted
            else:
                message, places = redacted.message, redacted.places.total()
        if isinstance(message, Gap):
            message = self.without_ends(message)
        delivery, more = self.apply_to_delivery(origin.delivery)
        origin = origin._replace(delivery=delivery)
        return captured._replace(message=message, origin=origin), places + more

    async def apply(self, message: bytes, direction: Direction) -> Redacted | Gap:
        """Return the message to store, or the gap to store in place of one that fails."""
        try:
            if self._redactor.is_slow(message):
                redacted = await asyncio.to_thread(self._redactor.redact, message, direction)
            else:
                redacted = self._redactor.redact(message, direction)
        except RedactionFailed as failed:
            if not self._has_failed:
                self._has_failed = True
                self._report(f"{_FAILED}: {failed}; such messages are not recorded")
            return Gap(_FAILED, len(message))  # a digest would let a short secret be guessed
        self._places.update(redacted.places)
        return redacted

    def apply_to_delivery(self, delivery: Delivery | None) -> tuple[Delivery | None, int]:
        """Return what is to be stored of a delivery, and in how many places it had a secret.

        The id of an event stays: it tells whether an event was sent before.
        """
        if isinstance(delivery, HttpDelivery):
            name, text = "path", delivery.path
        elif isinstance(delivery, SseDelivery):
            name, text = "event_type", delivery.event_type
        else:
            return delivery, 0
        if text is None:
            return delivery, 0
        redacted, places = self._redactor.redact_text(text)
        if not places:
            return delivery, 0
        self._places.update(places)
        changed = delivery.model_copy(update={name: redacted[:_MAX_DETAIL]})
        return changed, places.total()

    def without_ends(self, gap: Gap) -> Gap:
        """Return the gap without the bytes of its message, and count them as taken out."""
        if gap.first or gap.last:
            self._places[_ENDS] += 1
        return gap.without_ends()

    def into(self, session: Session) -> Session:
        """Return the session with the manifest in its metadata. Raises as `Session.model_copy`."""
        metadata = {**session.metadata, REDACTION_KEY: self.manifest()}
        return session.model_copy(update={"metadata": metadata})

    def manifest(self) -> dict[str, object]:
        """Return the manifest up to now."""
        return Manifest(self._redactor.rules, self._places).to_json()
