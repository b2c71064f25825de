"""The names of what can go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..linearizability.history.operation import Operation

__all__ = ["Anomaly", "AnomalyKind"]


class AnomalyKind(StrEnum):
    """The names, as in the literature where it has one."""

    LOST_UPDATE = "lost update"
    """A write was based on what another one had replaced."""
    LOST_WRITE = "lost write"
    """What had been acknowledged was gone after a kill. No history shows it: who killed tells."""
    DIRTY_READ = "dirty read"
    """A read showed what was refused, not written yet, or never written."""
    TORN_BATCH = "torn batch"
    """Some of a batch was seen without the rest, or with something else in between."""
    TORN_READ = "torn read"
    """A read of several things showed each as it was at another moment."""
    GAP = "gap"
    """A number was left out."""
    DUPLICATE = "duplicate"
    """A number was given twice, one id created twice, or one frame stored twice."""
    STALE_READ = "stale read"
    """A read showed what had been replaced before it was called."""
    STALE_WRITE = "stale write"
    """A write was accepted that was based on a session deleted since."""
    RESURRECTION = "resurrection"
    """What had been deleted was there again."""
    CROSS_SESSION_REPLAY = "cross-session replay"
    """A frame of one session was read from another."""
    ORDER_INVERSION = "order inversion"
    """A number was given after a higher one had been."""
    DRIFT = "drift"
    """A count was not that of what is there to be counted."""
    OVERSHOOT = "overshoot"
    """More was taken than a limit allows."""
    PHANTOM = "phantom"
    """What had been refused took effect all the same."""
    HALF_AN_OPERATION = "half an operation"
    """Some of what one call does in one step was done without the rest."""
    HANG = "hang"
    """A call never ended. No history shows it: it is for whoever ran the calls to say."""
    UNEXPLAINED = "unexplained"
    """No order works, and none of the names fits."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What went wrong, in words, with the operations that show it."""

    kind: AnomalyKind
    text: str
    operations: tuple[Operation, ...]
