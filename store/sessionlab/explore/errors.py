"""What a run under the explorer can end with, apart from the scenario's own errors."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Deadlock", "ExplorationFailed", "LeftUndone", "StepLimit"]


class Deadlock(AssertionError):
    """Nothing can run, no timer is set, and the scenario has not ended."""

    def __init__(self, waiting: Sequence[str]) -> None:
        super().__init__("\n  ".join(["nothing can go on:", *waiting]))
        self.waiting = tuple(waiting)
        """One line for each task that is not done: where it stands and what it waits for."""


class StepLimit(AssertionError):
    """The scenario has not ended after so many steps: it may turn in circles."""

    def __init__(self, steps: int, waiting: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"not ended after {steps:,} steps:", *waiting]))
        self.steps = steps
        self.waiting = tuple(waiting)


class LeftUndone(AssertionError):
    """A strict run left a task pending, or an error that nobody looked at."""


class ExplorationFailed(AssertionError):
    """Some interleaving fails; the text is the report, the cause the error of the scenario."""
