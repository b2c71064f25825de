"""The statistics of an actor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ActorState", "ActorStatistics", "together"]


class ActorState(StrEnum):
    """Where an actor is in its life."""

    NEW = "new"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    CRASHED = "crashed"
    FORKED = "forked"
    """A copy in a forked child; the owner is in the parent."""


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """One moment of an actor; counters run from its opening."""

    state: ActorState
    depth: int
    """Commands queued and not yet taken by the owner."""
    depth_bytes: int
    """Weight of the queued commands, in bytes."""
    waiting: int
    """Commands in line for a place in the mailbox (some may have been given up)."""
    capacity: int
    """Maximum number of commands in the mailbox."""
    capacity_bytes: int
    """Maximum number of bytes in the mailbox."""
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


def together(one: ActorStatistics, other: ActorStatistics) -> ActorStatistics:
    """Add up two actors that look like one; it is open as long as both are."""
    return ActorStatistics(
        state=other.state if one.state is ActorState.OPEN else one.state,
        depth=one.depth + other.depth,
        depth_bytes=one.depth_bytes + other.depth_bytes,
        waiting=one.waiting + other.waiting,
        capacity=one.capacity + other.capacity,
        capacity_bytes=one.capacity_bytes + other.capacity_bytes,
        batches=one.batches + other.batches,
        commands=one.commands + other.commands,
        largest_batch=max(one.largest_batch, other.largest_batch),
        refused=one.refused + other.refused,
        refusals=dict(Counter(one.refusals) + Counter(other.refusals)),
    )
