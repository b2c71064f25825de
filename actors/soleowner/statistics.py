"""What an actor tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ActorStatistics"]


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """One moment of an actor; counters run from its opening."""

    state: str
    """`new`, `opening`, `open`, `closing`, `closed`, `crashed`, or `forked`: a child's copy."""
    depth: int
    """Commands queued and not yet taken by the owner."""
    depth_bytes: int
    """Weight of the queued commands, in bytes."""
    waiting: int
    """Commands in line for a place in the mailbox (some may have been given up)."""
    capacity: int
    """Most commands in the mailbox."""
    capacity_bytes: int
    """Most bytes in the mailbox."""
    batches: int
    """Batches the owner has taken."""
    commands: int
    """Commands in those batches, those given up by their callers included."""
    largest_batch: int
    """Commands in the largest batch so far."""
    refused: int
    """Commands refused because the mailbox was full."""
    refusals: Mapping[str, int]
    """Commands the runner answered with an expected error, by the name of its class."""
