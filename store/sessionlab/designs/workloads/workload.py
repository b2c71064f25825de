"""A workload: a guarantee, and a few clients that would notice a violation."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias

from sessionkeeper.values.limits import StoreLimits

from ... import RecordingStore

__all__ = ["ClientScript", "Workload"]

ClientScript: TypeAlias = "Callable[[RecordingStore], Coroutine[object, None, None]]"
"""Runs the clients on an empty store. A refusal ends it; it raises no other error."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One guarantee, and the clients that test it."""

    name: str
    promise: str
    """One sentence."""
    run_clients: ClientScript
    max_sessions: int | None = None
    """The limit of the store, and of the model that checks it."""
    cancellations: int = 0
    """Maximum number of clients that are cancelled at some moment."""

    @property
    def limits(self) -> StoreLimits | None:
        """The limits of the store."""
        maximum = self.max_sessions
        return None if maximum is None else StoreLimits(max_sessions=maximum)
