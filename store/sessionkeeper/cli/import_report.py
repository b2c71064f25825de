"""The report of an import: each damage when it is found, and the sums at the end."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

from ..transfer.damage import Damage
from .console import complain, print_line
from .removal import format_count
from .stores import BAD_INPUT, NOTHING

__all__ = ["ImportReport"]

_SHOWN = 100
"""Maximum number of damages that are printed; all of them are counted."""


@dataclass(slots=True)
class ImportReport:
    """The sums of an import, as `--json` prints them."""

    imported: int = 0
    skipped: int = 0
    partial: int = 0
    """Number of imported sessions that have lost frames."""
    problem: str | None = None
    """The problem that ended the import, with its file and line."""
    refused: list[str] = field(default_factory=list[str])
    """Why the store refused sessions that could be salvaged."""
    damages: int = 0
    damage: list[Damage] = field(default_factory=list[Damage])
    """The first damages."""

    @property
    def code(self) -> int:
        """The exit code."""
        if self.problem is not None:
            return BAD_INPUT
        return NOTHING if self.damages or self.refused else 0

    def note_damage(self, file: str, damage: Damage, *, quiet: bool) -> None:
        """Count a damage, and print it unless `quiet`."""
        self.damages += 1
        if len(self.damage) < _SHOWN:
            self.damage.append(damage)
            if not quiet:
                place = f"line {damage.line}, byte {damage.offset}"
                complain(f"{file}: {place}: {damage.text} ({damage.kind})")

    def note_refused(self, file: str, text: str, *, quiet: bool) -> None:
        """Note a session that the store refused, and print it unless `quiet`."""
        self.refused.append(text)
        if not quiet:
            complain(f"{file}: {text}")

    def print(self, *, as_json: bool) -> None:
        """Print the sums: one line on stderr, or an object on stdout."""
        if as_json:
            print_line(json.dumps(dataclasses.asdict(self)))
            return
        beside = f", {self.skipped} skipped" if self.skipped else ""
        beside += f", {len(self.refused)} refused" if self.refused else ""
        partial = f", {self.partial} of them in part" if self.partial else ""
        places = "1 place" if self.damages == 1 else f"{self.damages} places"
        damages = f"; the file is damaged in {places}" if self.damages else ""
        if self.problem is None:
            complain(f"{format_count(self.imported)} imported{partial}{beside}{damages}")
        else:
            before = f"{self.imported} imported before it{partial}{beside}{damages}"
            complain(f"{self.problem} ({before})")
