"""The results of the checker, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..history.operation import Operation

__all__ = ["Blocked", "CheckResult", "Counterexample", "Contradiction", "Layer", "Verdict"]


class Verdict(StrEnum):
    """Whether there is an order of the operations that the model accepts."""

    OK = "OK"
    """There is such an order."""
    ILLEGAL = "ILLEGAL"
    """There is no such order."""
    UNKNOWN = "UNKNOWN"
    """A limit was reached before either was shown."""


class Layer(StrEnum):
    """The layer that decided."""

    INVARIANTS = "structural invariants"
    """Numbers and contents contradict each other: proves ILLEGAL, never OK."""
    VERSION_ORDER = "version order"
    """The order suggested by the numbers is valid: proves OK, never ILLEGAL."""
    SEARCH = "search"
    """All orders that matter were tried: proves both."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Operations that contradict each other, whatever the rest of the history is."""

    kind: str
    text: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """An operation that could not come next, and why."""

    operation: Operation
    why: str


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Why no order works, for the operations of one partition."""

    order: tuple[Operation, ...]
    """The longest valid order found."""
    state: str
    """The state after this order, described."""
    blocked: tuple[Blocked, ...]
    """The operations that had to come next, but cannot."""
    starts: tuple[str, ...]
    """Some of the states in which the shrunk history may begin, described: the states after the
    operations that were left out before it. Without those, the first state of the model."""
    shrunk: tuple[Operation, ...]
    """Operations that are illegal even if all others may have taken effect at any time after their
    calls, or never."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A verdict with its reasons."""

    verdict: Verdict
    layer: Layer
    """The last layer that was needed."""
    operations: int
    partitions: int
    reason: str | None = None
    """Why the verdict is UNKNOWN."""
    contradictions: tuple[Contradiction, ...] = ()
    counterexample: Counterexample | None = None
