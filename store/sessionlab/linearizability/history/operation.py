"""A call as its client saw it, and a history of such calls: plain data without a store."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

__all__ = ["FORMAT", "VERSION", "Header", "History", "Operation", "Outcome", "Plain"]

Plain: TypeAlias = "None | bool | int | float | str | tuple[Plain, ...]"
"""The values of arguments and results: hashable, and the same after a round trip through JSON."""

FORMAT = "sessionkeeper-history"
VERSION = 1


class Outcome(StrEnum):
    """What the client knows of a call."""

    OK = "ok"
    """It took effect, and `result` is its reply."""
    FAILED = "failed"
    """It certainly had no effect; `result` says how it was refused."""
    UNKNOWN = "unknown"
    """It may take effect at any time after its call, or never."""


class Operation(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename={"returned": "return"}):
    """One call of one client. Times are numbers that only compare; equal ones are concurrent."""

    client: int
    name: str
    argument: Plain = None
    result: Plain = None
    call: int
    returned: int | None
    """None when it never returned."""
    outcome: Outcome = Outcome.OK

    def __repr__(self) -> str:
        # Arguments and results hold payloads.
        end = "" if self.returned is None else self.returned
        return f"<{self.name} by {self.client} at {self.call}..{end} {self.outcome}>"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Where a history comes from. `model` is the key in `sessionlab.MODELS` of the model for it."""

    model: str
    store: str = ""
    versions: Mapping[str, str] = {}
    seed: int | None = None
    faults: tuple[str, ...] = ()
    one_counter: bool = True
    """Whether one counter of the store gave all revisions: `Guarantees.one_counter`."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Operations in the order of their calls. It holds payloads: protect it like the store."""

    header: Header
    operations: tuple[Operation, ...]

    def __repr__(self) -> str:
        return f"<History of {len(self.operations)} operations on {self.header.store or '?'}>"
