"""The kinds of anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..linearizability.history.operation import Operation

__all__ = ["Anomaly", "AnomalyKind"]


class AnomalyKind(StrEnum):
    """The names, as in the literature where it has one."""

    LOST_UPDATE = "lost update"
    """A write was based on a value that another write had replaced."""
    LOST_WRITE = "lost write"
    """An acknowledged write was gone after a kill. Only the test that kills can show it."""
    DIRTY_READ = "dirty read"
    """A read showed a value that was refused, not written yet, or never written."""
    TORN_BATCH = "torn batch"
    """Part of a batch was seen without the rest, or with other frames in between."""
    TORN_READ = "torn read"
    """A read of several sessions showed them at different moments."""
    GAP = "gap"
    """A number is missing."""
    DUPLICATE = "duplicate"
    """A number was given twice, an id was created twice, or a frame was stored twice."""
    SKIPPED_FRAME = "skipped frame"
    """A reader was shown a number before a lower one, and read on from it."""
    STALE_READ = "stale read"
    """A read showed a value that had been replaced before its call."""
    STALE_WRITE = "stale write"
    """A write based on a deleted session was accepted."""
    RESURRECTION = "resurrection"
    """A deleted session came back."""
    CROSS_SESSION_REPLAY = "cross-session replay"
    """A frame of one session was read from another session."""
    ORDER_INVERSION = "order inversion"
    """A number was given after a higher one."""
    DRIFT = "drift"
    """A count did not match the log."""
    OVERSHOOT = "overshoot"
    """A limit was exceeded."""
    PHANTOM = "phantom"
    """A refused call took effect."""
    HALF_AN_OPERATION = "half an operation"
    """Part of one call was done without the rest."""
    HANG = "hang"
    """A call never ended. Only the test that runs the calls can show it."""
    UNEXPLAINED = "unexplained"
    """No order is valid, and no other name fits."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An anomaly with its description and the operations that show it."""

    kind: AnomalyKind
    text: str
    operations: tuple[Operation, ...]
