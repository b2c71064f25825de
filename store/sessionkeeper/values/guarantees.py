"""What a store declares about itself, for programs to read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Atomicity", "Durability", "Guarantees", "Scope"]


class Atomicity(StrEnum):
    """How an operation looks to other callers."""

    LINEARIZABLE = "linearizable"
    """It seems to happen whole, at one instant between call and return."""
    NONE = "none"
    """Others may see it half done, or run in its middle."""


class Durability(StrEnum):
    """What an acknowledged write survives."""

    MEMORY = "memory"
    """Nothing: it is lost with its process."""
    OS = "os"
    """A killed process."""
    DISK = "disk"
    """A power cut."""
    SERVER = "server"
    """What the server's own settings promise."""
    INNER = "inner"
    """What the wrapped store promises."""


class Scope(StrEnum):
    """The callers among which the guarantees hold."""

    PROCESS = "process"
    HOST = "host"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Guarantees:
    """The class attribute `guarantees` of a store."""

    operation: Atomicity
    """One method call on one session."""
    batch: Atomicity
    """`get_sessions_batch`, `update_sessions_batch` and `add_frames`."""
    listing: Atomicity
    """`list_sessions`: one moment's snapshot or not."""
    durability: Durability
    scope: Scope
    one_counter: bool = True
    """Whether changes become visible in the order of their revisions, over all sessions. If not,
    revisions of one session still grow, and no order of two sessions follows from theirs."""
