"""What an operation shows about numbered items, independent of the rest of the state.

A model translates its operations into these; the checker knows logs and counters, not sessions.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ..history.operation import Plain

__all__ = [
    "AppendFact",
    "CountFact",
    "LastNumberFact",
    "Fact",
    "ReadFact",
    "AttemptFact",
    "ChangeFact",
    "RemovalFact",
    "TrimFact",
]


class AppendFact(NamedTuple):
    """Items were appended to a log in one step, with the numbers from `first` on."""

    log: str
    first: int
    items: tuple[Plain, ...]


class AttemptFact(NamedTuple):
    """Items that may have been appended to a log, with unknown numbers."""

    log: str
    items: tuple[Plain, ...]


class ReadFact(NamedTuple):
    """Items `first` and following were seen; the last of the log as well if `to_the_end`.

    `first` is None where the reply does not tell it: right after what was shortened away.
    """

    log: str
    first: int | None
    items: tuple[Plain, ...]
    to_the_end: bool
    at_once: bool = True
    """Whether it shows one moment between call and return, not an earlier one."""


class CountFact(NamedTuple):
    """The number of items in the log."""

    log: str
    items: int


class LastNumberFact(NamedTuple):
    """The last number of the log was `last`."""

    log: str
    last: int


class TrimFact(NamedTuple):
    """Items at the front of the log may have been removed."""

    log: str


class ChangeFact(NamedTuple):
    """Items with these numbers may have become other items."""

    log: str
    numbers: tuple[int, ...]


class RemovalFact(NamedTuple):
    """The log may have been removed, so that another one may have its name; None for any log."""

    log: str | None


Fact: TypeAlias = (
    AppendFact
    | AttemptFact
    | ReadFact
    | CountFact
    | LastNumberFact
    | TrimFact
    | ChangeFact
    | RemovalFact
)
