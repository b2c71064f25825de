"""What a batch locks: the store, alone or shared, and its rows before or after it uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soleowner import Command

from .tables import PostgresTables

__all__ = ["BatchLocks", "is_near", "may_trust", "needs_store"]

SHARED_BYTES = 8 * 1024 * 1024
"""Bytes of messages that a batch may add while others write, so that `max_total_bytes` holds."""


@dataclass(slots=True)
class BatchLocks:
    """What one batch locks: new for each batch, and looked at in each of its attempts."""

    is_alone: bool = False
    """Whether every further attempt has the store alone: it met others before."""
    has_store: bool = False
    """Whether this attempt has the store alone."""
    trusts_rows: bool = False
    """Whether this attempt uses rows as they were kept, neither locked nor checked until now."""


def needs_store(commands: Sequence[Command[PostgresTables, Any]]) -> bool:
    """Whether commands must have the store alone, because of what they read, make or add."""
    weight = sum(getattr(each, "weight", 0) for each in commands)
    return weight > SHARED_BYTES or any(getattr(each, "store_wide", True) for each in commands)


def may_trust(commands: Sequence[Command[PostgresTables, Any]]) -> bool:
    """Whether rows that were kept can be checked when they are written: only their logs are."""
    return all(
        getattr(each, "adds", False) and getattr(each, "change", None) is None for each in commands
    )


def is_near(room: int, writers: int) -> bool:
    """Whether so many bytes are too few for batches that share the store with all writers.

    All others may be adding as much as one may at this moment.
    """
    return room < (writers + 1) * SHARED_BYTES
