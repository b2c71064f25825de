"""The errors of a run under the explorer, besides those of the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Deadlock", "ExplorationFailed", "LeftUndone", "StepLimit"]


class Deadlock(AssertionError):
    """No task can run, no timer is set, and the scenario has not ended."""

    def __init__(self, waiting: Sequence[str]) -> None:
        super().__init__("\n  ".join(["no task can run:", *waiting]))
        self.waiting = tuple(waiting)
        """One line for each pending task: its line of code, and what it waits for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.waiting,), vars(self)


class StepLimit(AssertionError):
    """The scenario has not ended after `steps` steps; it may loop forever."""

    def __init__(self, steps: int, waiting: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"not ended after {steps:,} steps:", *waiting]))
        self.steps = steps
        self.waiting = tuple(waiting)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.steps, self.waiting), vars(self)


class LeftUndone(AssertionError):
    """A strict run left a pending task or an unretrieved error."""


class ExplorationFailed(AssertionError):
    """An interleaving fails. The text is the report; the cause is the error of the scenario."""
