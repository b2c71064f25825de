"""What a workload is: a guarantee, and a few clients who would notice if it did not hold."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias

from sessionkeeper.values.limits import StoreLimits

from ... import RecordingStore

__all__ = ["ClientScript", "Workload"]

ClientScript: TypeAlias = "Callable[[RecordingStore], Coroutine[object, None, None]]"
"""Plays the clients on an empty store. A refusal ends it; it raises nothing else of its own."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One guarantee, and who uses the store to see whether it holds."""

    name: str
    promise: str
    """One sentence."""
    run_clients: ClientScript
    max_sessions: int | None = None
    """The limit the store is made with, and judged by."""
    cancellations: int = 0
    """How many clients are cancelled at some moment of their lives, at most."""

    @property
    def limits(self) -> StoreLimits | None:
        """What the store is made with."""
        maximum = self.max_sessions
        return None if maximum is None else StoreLimits(max_sessions=maximum)
