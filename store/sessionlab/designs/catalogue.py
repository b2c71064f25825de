"""The designs that are compared by default, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.stores.actor import ActorSessionStore
from sessionkeeper.stores.sqlite import SQLiteSessionStore
from sessionkeeper.stores.third_party import OwnedSessionStore
from sessionkeeper.stores.unqueued import LockedSessionStore, PlainSessionStore
from sessionkeeper.values.limits import StoreLimits

from .. import AnomalyKind
from . import wrong
from .files import in_new_folder

__all__ = ["DESIGNS", "RIGHT", "WRONG", "Design", "Flaw", "LimitsNotTaken", "Make", "docstring"]

Make: TypeAlias = "Callable[[StoreLimits | None], SessionStore]"
"""Makes an empty store; raises `LimitsNotTaken` if the store cannot have the limits given."""


class LimitsNotTaken(NotImplementedError):
    """The store cannot be made with limits."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """The anomaly of a wrong design, and the workload that must show it."""

    anomaly: AnomalyKind
    shown_in: str


@dataclass(frozen=True, slots=True)
class Design:
    """One way to build a store."""

    name: str
    make: Make
    summary: str
    right: bool | None
    """None for a design of the user's own."""
    flaw: Flaw | None = None
    explored: bool = True
    """False for a store with a thread of its own: it runs on real event loops, and less often."""
    file: str | None = None
    """`module:Class` of a store in a file, made with the `path` of that file: its process is
    killed in the workload `kills`."""
    runs_at_once: int = 5
    """Where it is not explored: number of runs before anybody looks whether there was time."""
    isolated: bool = False
    """It is made by its name in a process of its own, and not by `make`."""


def _owned(limits: StoreLimits | None) -> SessionStore:
    return OwnedSessionStore(PlainSessionStore(limits=limits))


def _in_a_file(
    name: str,
    made: type[SQLiteSessionStore],
    summary: str,
    *,
    right: bool,
    flaw: Flaw | None = None,
    at: str,
) -> Design:
    def make(limits: StoreLimits | None) -> SessionStore:
        return in_new_folder(lambda path: made(path, limits=limits))

    file = f"{at}:{made.__name__}"
    return Design(name, make, summary, right, flaw, explored=False, file=file)


RIGHT = (
    Design("plain", lambda limits: PlainSessionStore(limits=limits), "A dict, no await.", True),
    Design("locked", lambda limits: LockedSessionStore(limits=limits), "One asyncio.Lock.", True),
    Design(
        "actor", lambda limits: ActorSessionStore(limits=limits), "A task owns the state.", True
    ),
    Design("owned", _owned, "An owner for any store with the ten methods, here plain.", True),
    _in_a_file(
        "sqlite", SQLiteSessionStore, "A task owns a SQLite file.", right=True, at="sessionkeeper"
    ),
)


def _flawed(
    name: str, made: type[PlainSessionStore], anomaly: AnomalyKind, shown_in: str
) -> Design:
    flaw = Flaw(anomaly, shown_in)
    return Design(name, lambda limits: made(limits=limits), docstring(made), False, flaw)


def _flawed_file(name: str, made: type[SQLiteSessionStore], anomaly: AnomalyKind) -> Design:
    flaw = Flaw(anomaly, "kills")
    at = "sessionlab.designs.wrong"
    return _in_a_file(name, made, docstring(made), right=False, flaw=flaw, at=at)


def docstring(made: type[SessionStore]) -> str:
    """Return the docstring of a class in one line."""
    return " ".join((made.__doc__ or "").split())


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
    _flawed_file("autocommit-a-frame", wrong.AutocommitAFrame, AnomalyKind.TORN_BATCH),
    _flawed_file(
        "acknowledged-before-commit", wrong.AcknowledgedBeforeCommit, AnomalyKind.LOST_WRITE
    ),
)

DESIGNS = {design.name: design for design in (*RIGHT, *WRONG)}
