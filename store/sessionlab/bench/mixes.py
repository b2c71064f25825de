"""Mixes of operations, as in recordings of real conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .subject import Work

__all__ = ["MIXES", "Mix"]


@dataclass(frozen=True, slots=True)
class Mix:
    """The frequency of each operation, out of 10,000."""

    name: str
    summary: str
    shares: Mapping[Work, int]
    skew: float
    """Zipf exponent: 0 is uniform; with 1, the busiest of 1,000 sessions gets a seventh of all."""


def _mix(name: str, summary: str, skew: float, **shares: int) -> Mix:
    """Make a mix from the shares of named operations."""
    return Mix(name, summary, MappingProxyType({Work(work): n for work, n in shares.items()}), skew)


MIXES: Mapping[str, Mix] = MappingProxyType(
    {
        mix.name: mix
        for mix in (
            _mix(
                "conversation",
                "very many gets and touches, many appends, some creates, few lists and deletes",
                0.8,
                get=4_000,
                touch=2_500,
                append=2_700,
                read=300,
                modify=300,
                create=150,
                delete=48,
                list=2,
            ),
            _mix(
                "single",
                "the conversation without its lists: what costs the same at any size",
                0.8,
                get=4_000,
                touch=2_500,
                append=2_700,
                read=300,
                modify=300,
                create=150,
                delete=50,
            ),
            _mix("append", "messages, and a touch now and then", 0.8, append=9_000, touch=1_000),
            _mix("read", "gets, and the newest messages of a session", 0.8, get=7_000, read=3_000),
            _mix("state", "a session's state, replaced and read", 0.8, get=5_000, set=5_000),
            _mix(
                "hot",
                "updates and appends, most of them to the same few sessions",
                1.2,
                modify=4_000,
                append=4_000,
                get=2_000,
            ),
        )
    }
)
