"""The designs on a server: the right ones, and the common mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.limits import StoreLimits

from ... import AnomalyKind
from ..catalogue import Design, Flaw, docstring
from ..faulty_proxy import FaultyProxy
from . import ON_POSTGRES, right, wrong
from .address import ServerAddress
from .own import TemporaryPostgresStore
from .store import PooledStore

__all__ = ["make_designs"]

_RIGHT: tuple[type[PooledStore | TemporaryPostgresStore], ...] = (
    TemporaryPostgresStore,
    PooledStore,
    right.UpdateReturning,
    right.UniqueAndRetry,
    right.Serializable,
    right.IdempotencyKey,
)
_WRONG = (
    (wrong.SelectThenUpdate, AnomalyKind.LOST_UPDATE, "updates"),
    (wrong.MaxPlusOne, AnomalyKind.DUPLICATE, "numbering"),
    (wrong.SerialNumber, AnomalyKind.SKIPPED_FRAME, "following"),
    (wrong.CommitAgain, AnomalyKind.DUPLICATE, "numbering"),
    (wrong.ConflictDoNothing, AnomalyKind.DUPLICATE, "creation"),
    (wrong.LockInOneStatement, AnomalyKind.OVERSHOOT, "limits"),
    (wrong.ListenAfterLook, AnomalyKind.HANG, "watching"),
    (wrong.SerializationIgnored, AnomalyKind.LOST_UPDATE, "updates"),
)

_RUNS = 2
"""A run makes a schema, some connections and a transaction a call: a tenth of a second."""


def make_designs(address: ServerAddress, prefix: str, /) -> tuple[Design, ...]:
    """Return the designs in the order of `ON_POSTGRES`.

    Each store has a schema of its own, whose name begins with `prefix`.
    """
    schemas = map(f"{prefix}{{}}".format, count(1))
    kinds: list[tuple[type[PooledStore | TemporaryPostgresStore], Flaw | None]]
    kinds = [(kind, None) for kind in _RIGHT]
    kinds += [(kind, Flaw(anomaly, shown_in)) for kind, anomaly, shown_in in _WRONG]
    return tuple(
        _design(address, schemas, name, kind, flaw)
        for name, (kind, flaw) in zip(ON_POSTGRES, kinds, strict=True)
    )


def _design(
    address: ServerAddress,
    schemas: Iterator[str],
    name: str,
    kind: type[PooledStore | TemporaryPostgresStore],
    flaw: Flaw | None,
) -> Design:
    numbers = count()
    # A lost answer is the mistake of one of the wrong ones; the others fail without it. Each run
    # begins with a session, without which there would be nothing to see.
    loses = b"COMMIT" if flaw is None or kind is wrong.CommitAgain else b""

    def make(limits: StoreLimits | None) -> SessionStore:
        rng = Random(next(numbers))  # noqa: S311 - to be repeated
        proxy = FaultyProxy(address.place, rng, loses=loses, keeps=1)
        return kind(address, schema=next(schemas), proxy=proxy, limits=limits)

    summary, right = docstring(kind), flaw is None
    return Design(name, make, summary, right, flaw, explored=False, runs_at_once=_RUNS)
