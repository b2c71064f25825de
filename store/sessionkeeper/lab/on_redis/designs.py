"""What is compared on a server: the actor, and three mistakes that are made with one."""

from __future__ import annotations

from itertools import count
from random import Random
from uuid import uuid4

from ...interface import SessionStore
from ...limits import StoreLimits
from ...verify import AnomalyKind
from ..catalogue import Design, Flaw, docstring
from . import ON_REDIS
from .client_retries import ClientRetries
from .get_then_set import GetThenSet
from .guest import Guest
from .lists_on_server import ListsOnServer
from .pipeline_without_script import PipelineWithoutScript
from .relay import Relay

__all__ = ["made_on", "straight"]


def made_on(url: str, /) -> tuple[Design, ...]:
    """Return all of them, in the order of their names in `ON_REDIS`."""
    actor, update, batch, retry = ON_REDIS
    lost = Flaw(AnomalyKind.LOST_UPDATE, "updates")
    torn = Flaw(AnomalyKind.TORN_BATCH, "batches")
    twice = Flaw(AnomalyKind.DUPLICATE, "numbering")
    return (
        _design(url, actor, Guest, None, loses=b"EVALSHA"),
        _design(url, update, GetThenSet, lost, loses=b"EVALSHA"),
        # It tries nothing twice, so it loses no answer: what it would say then is no mistake.
        _design(url, batch, PipelineWithoutScript, torn),
        _design(url, retry, ClientRetries, twice, loses=b"RPUSH"),
    )


def straight(url: str, /) -> Guest:
    """Make the actor's store with no relay before it."""
    return Guest(url, prefix=_prefix())


def _design(
    url: str,
    name: str,
    kind: type[Guest | ListsOnServer],
    flaw: Flaw | None,
    *,
    loses: bytes = b"",
) -> Design:
    numbers = count()

    def make(limits: StoreLimits | None) -> SessionStore:
        relay = Relay(url, Random(next(numbers)), loses=loses)  # noqa: S311 - to be repeated
        return kind(url, prefix=_prefix(), relay=relay, limits=limits)

    def unhindered(limits: StoreLimits | None) -> SessionStore:
        return kind(url, prefix=_prefix(), limits=limits)

    summary, right = docstring(kind), flaw is None
    return Design(name, make, summary, right, flaw, explored=False, measured=unhindered)


def _prefix() -> str:
    return f"compare-{uuid4().hex}"
