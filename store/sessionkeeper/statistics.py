"""What a store tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soleowner import ActorStatistics

from .states import SessionState

__all__ = ["StoreStatistics", "TableStatistics"]


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """What the tables hold at one moment."""

    sessions: Mapping[SessionState, int]
    """Sessions by state, all six states."""
    frames: int
    bytes: int | None
    """Bytes of all messages held; None where the store cannot tell."""


@dataclass(frozen=True, slots=True)
class StoreStatistics(TableStatistics):
    """What a store holds, and how its mailbox fares if it has one."""

    mailbox: ActorStatistics | None
