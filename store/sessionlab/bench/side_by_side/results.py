"""Results of comparing sides: plain values for the terminal, the HTML page and programs."""

from __future__ import annotations

from dataclasses import dataclass

from ..results import Spread

__all__ = ["Absent", "ComparisonResult", "LineResult", "SideResult"]


@dataclass(frozen=True, slots=True)
class SideResult:
    """What one would use instead, on one line."""

    name: str
    per_second: Spread
    ratio: Spread
    """Ours over theirs, round by round: above 1, ours is faster."""


@dataclass(frozen=True, slots=True)
class LineResult:
    """One line of the table."""

    what: str
    storage: str
    """Where both sides keep what they are given."""
    ours: Spread
    """Operations a second."""
    rounds: int
    theirs: tuple[SideResult, ...]

    @property
    def title(self) -> str:
        """`memory: add_frame`."""
        return f"{self.storage}: {self.what}"


@dataclass(frozen=True, slots=True)
class Absent:
    """A side that was not measured, or not to the end."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """Results of a whole run."""

    lines: tuple[LineResult, ...]
    absent: tuple[Absent, ...]
    loop: str
    seconds: float
    interrupted: bool
    versions: dict[str, str]
    machine: str
