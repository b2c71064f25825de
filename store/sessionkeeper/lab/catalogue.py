"""The designs that are compared by default: what each promises, or which mistake it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..actor_store import ActorSessionStore
from ..designs import LockedSessionStore, PlainSessionStore
from ..interface import SessionStore
from ..limits import StoreLimits
from ..owned import OwnedSessionStore
from ..verify import AnomalyKind
from . import wrong

__all__ = ["DESIGNS", "RIGHT", "WRONG", "Design", "Flaw", "LimitsNotTaken", "Make"]

Make: TypeAlias = "Callable[[StoreLimits | None], SessionStore]"
"""Makes an empty store; raises `LimitsNotTaken` if it is given limits and has none."""


class LimitsNotTaken(NotImplementedError):
    """The store cannot be made with limits."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What a wrong design does wrong, and the workload that must show it."""

    anomaly: AnomalyKind
    shown_in: str


@dataclass(frozen=True, slots=True)
class Design:
    """One way to build a store."""

    name: str
    make: Make
    summary: str
    right: bool | None
    """None when nobody says: a user's own."""
    flaw: Flaw | None = None


def _owned(limits: StoreLimits | None) -> SessionStore:
    return OwnedSessionStore(PlainSessionStore(limits=limits))


RIGHT = (
    Design("plain", lambda limits: PlainSessionStore(limits=limits), "A dict, no await.", True),
    Design("locked", lambda limits: LockedSessionStore(limits=limits), "One asyncio.Lock.", True),
    Design(
        "actor", lambda limits: ActorSessionStore(limits=limits), "A task owns the state.", True
    ),
    Design("owned", _owned, "An owner for any store with the ten methods, here plain.", True),
)


def _flawed(
    name: str, made: type[PlainSessionStore], anomaly: AnomalyKind, shown_in: str
) -> Design:
    summary = " ".join((made.__doc__ or "").split())
    return Design(name, lambda limits: made(limits=limits), summary, False, Flaw(anomaly, shown_in))


WRONG = (
    _flawed("read-modify-write", wrong.ReadModifyWrite, AnomalyKind.LOST_UPDATE, "updates"),
    _flawed("lock-on-write-only", wrong.LockOnWriteOnly, AnomalyKind.LOST_UPDATE, "updates"),
    _flawed("check-then-create", wrong.CheckThenCreate, AnomalyKind.DUPLICATE, "creation"),
    _flawed(
        "number-from-a-clock", wrong.NumberFromAClock, AnomalyKind.ORDER_INVERSION, "numbering"
    ),
    _flawed("batch-one-by-one", wrong.BatchOneByOne, AnomalyKind.TORN_BATCH, "batches"),
    _flawed("listing-over-awaits", wrong.ListingOverAwaits, AnomalyKind.TORN_READ, "listing"),
    _flawed("count-apart", wrong.CountApart, AnomalyKind.DRIFT, "counting"),
    _flawed("limit-outside", wrong.LimitOutside, AnomalyKind.OVERSHOOT, "limits"),
    _flawed("revision-reset", wrong.RevisionReset, AnomalyKind.STALE_WRITE, "recreation"),
    _flawed("append-or-create", wrong.AppendOrCreate, AnomalyKind.RESURRECTION, "deletion"),
    _flawed(
        "frames-without-session",
        wrong.FramesWithoutSession,
        AnomalyKind.CROSS_SESSION_REPLAY,
        "isolation",
    ),
    _flawed("late-cache", wrong.LateCache, AnomalyKind.STALE_READ, "reads"),
    _flawed("refused-and-applied", wrong.RefusedAndApplied, AnomalyKind.PHANTOM, "refusals"),
    _flawed("bare-set-result", wrong.BareSetResult, AnomalyKind.HANG, "cancellation"),
    _flawed(
        "cancelled-under-lock",
        wrong.CancelledUnderLock,
        AnomalyKind.HALF_AN_OPERATION,
        "cancellation",
    ),
)

DESIGNS = {design.name: design for design in (*RIGHT, *WRONG)}
