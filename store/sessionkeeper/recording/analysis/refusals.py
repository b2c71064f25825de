"""Errors that belong to no call: what a server refuses, and what it could not read."""

from __future__ import annotations

from collections.abc import Sequence

from ...values.delivery import HttpDelivery
from ...values.message import Frame, MessageEnvelope
from .facts import MessageFacts

__all__ = ["error_status", "has_refusal", "is_refused_offer"]

_NOT_ALLOWED = 405


def error_status(frame: Frame) -> int | None:
    """Return the HTTP status of a frame that answered with an error."""
    delivery = frame.envelope.context.delivery
    if not isinstance(delivery, HttpDelivery) or delivery.status is None:
        return None
    return delivery.status if delivery.status >= 400 else None


def is_refused_offer(envelope: MessageEnvelope) -> bool:
    """Whether a server says that it has no stream of its own, or that it keeps its sessions."""
    delivery = envelope.context.delivery
    return (
        isinstance(delivery, HttpDelivery)
        and delivery.status == _NOT_ALLOWED
        and delivery.method != "POST"
    )


def has_refusal(frame: Frame, several: Sequence[MessageFacts], *, answers: bool) -> bool:
    """Whether a frame has an error for no request; `answers` says whether it has one for a request.

    Of a frame that answers a request, only an error whose id is null is one.
    """
    if is_refused_offer(frame.envelope):
        return False
    if answers or error_status(frame) is None:
        return any(each.is_error and each.id is None for each in several)
    delivery = frame.envelope.context.delivery
    is_post = isinstance(delivery, HttpDelivery) and delivery.method == "POST"
    return is_post or any(each.is_error for each in several)
