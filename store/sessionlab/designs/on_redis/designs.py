"""The designs on a server: the actor, and three common mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.limits import StoreLimits

from ... import AnomalyKind
from ..catalogue import Design, Flaw, docstring
from ..faulty_proxy import FaultyProxy
from . import ON_REDIS
from .actor import TemporaryRedisStore
from .client import find_server
from .client_retries import ClientRetries
from .get_then_set import GetThenSet
from .lists_on_server import ListsOnServer
from .pipeline_without_script import PipelineWithoutScript

__all__ = ["make_designs"]


def make_designs(url: str, prefix: str, /) -> tuple[Design, ...]:
    """Return the designs in the order of `ON_REDIS`.

    Each store has a prefix of its own that begins with `prefix`.
    """
    prefixes = map(f"{prefix}-{{}}".format, count(1))
    actor, update, batch, retry = ON_REDIS
    lost = Flaw(AnomalyKind.LOST_UPDATE, "updates")
    torn = Flaw(AnomalyKind.TORN_BATCH, "batches")
    twice = Flaw(AnomalyKind.DUPLICATE, "numbering")
    return (
        _design(url, prefixes, actor, TemporaryRedisStore, None, loses=b"EVALSHA"),
        _design(url, prefixes, update, GetThenSet, lost, loses=b"EVALSHA"),
        # Without faults: it never sends twice, so a lost reply would not be its mistake.
        _design(url, prefixes, batch, PipelineWithoutScript, torn),
        _design(url, prefixes, retry, ClientRetries, twice, loses=b"RPUSH"),
    )


def _design(
    url: str,
    prefixes: Iterator[str],
    name: str,
    kind: type[TemporaryRedisStore | ListsOnServer],
    flaw: Flaw | None,
    *,
    loses: bytes = b"",
) -> Design:
    numbers = count()

    def make(limits: StoreLimits | None) -> SessionStore:
        rng = Random(next(numbers))  # noqa: S311 - to be repeated
        proxy = FaultyProxy(find_server(url), rng, loses=loses)
        return kind(url, prefix=next(prefixes), proxy=proxy, limits=limits)

    summary, right = docstring(kind), flaw is None
    return Design(name, make, summary, right, flaw, explored=False)
