"""How many calls there were of each method and tool, how they ended, and how long they took."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...values.states import Direction
from .call import CallOutcome
from .quantiles import Quantiles

if TYPE_CHECKING:
    from .call import Call

__all__ = ["MAX_NAMES", "CallStatistics", "MethodStatistics", "statistics"]

MAX_NAMES = 1_000
"""Maximum number of methods and names counted apart; all further ones are "others"."""

_NAMED = frozenset({"tools/call", "prompts/get"})
"""Methods whose name is one of a list. URIs of resources have no end."""


class MethodStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one method, and of one tool or prompt."""

    method: str
    name: str | None
    """The tool or the prompt; None for other methods."""
    direction: Direction
    """The direction of the requests."""
    count: int
    errors: int
    """Answered with an error, or with a result that says `isError`."""
    unanswered: int
    """Never answered, or not yet."""
    p50: timedelta | None
    """The latency that half of the answered calls do not exceed; None if none was answered."""
    p99: timedelta | None
    longest: timedelta | None
    is_exact: bool
    """Whether p50 and p99 are exact. Of more than 4,096 calls they are within 1 %."""
    request_bytes: int
    response_bytes: int


class CallStatistics:
    """Counts calls, one at a time, in bounded memory."""

    def __init__(self) -> None:
        self._groups: dict[_Key, _Group] = {}
        self._names = 0

    def add(self, call: Call) -> None:
        """Count a call; each once, when its outcome is known."""
        name = call.name if call.method in _NAMED else None
        key = _Key(call.direction, call.method, name)
        if key not in self._groups:
            if self._names >= MAX_NAMES:
                key = _Key(call.direction, _OTHERS, None)
            self._names += 1
        self._groups.setdefault(key, _Group()).add(call)

    def rows(self) -> list[MethodStatistics]:
        """Return what was counted: the client's calls first, the most frequent first."""
        rows = [group.row(key) for key, group in self._groups.items()]
        rows.sort(key=lambda row: (row.direction, -row.count, row.method, row.name or ""))
        return rows


async def statistics(calls: AsyncIterable[Call]) -> list[MethodStatistics]:
    """Count the calls by direction, method and name: the client's first, the most frequent first.

    Only tools and prompts are counted by name. Memory is bounded, however many calls there are.
    Raises what `calls` raises.
    """
    counted = CallStatistics()
    async for call in calls:
        counted.add(call)
    return counted.rows()


class _Key(NamedTuple):
    direction: Direction
    method: str
    name: str | None


_OTHERS = "others"
"""Stands for all methods and names beyond `MAX_NAMES`."""


class _Group:
    def __init__(self) -> None:
        self.count = self.errors = self.unanswered = 0
        self.request_bytes = self.response_bytes = 0
        self.longest: timedelta | None = None
        self.seconds = Quantiles()

    def add(self, call: Call) -> None:
        self.count += 1
        self.errors += call.is_error
        self.request_bytes += call.request_bytes
        self.response_bytes += call.response_bytes or 0
        self.unanswered += call.lacks_answer
        latency = call.latency
        if latency is None or call.outcome is CallOutcome.CANCELLED:
            return
        self.longest = latency if self.longest is None else max(self.longest, latency)
        self.seconds.add(latency.total_seconds())

    def row(self, key: _Key) -> MethodStatistics:
        return MethodStatistics(
            method=key.method,
            name=key.name,
            direction=key.direction,
            count=self.count,
            errors=self.errors,
            unanswered=self.unanswered,
            p50=_duration(self.seconds.at(0.5)),
            p99=_duration(self.seconds.at(0.99)),
            longest=self.longest,
            is_exact=self.seconds.is_exact,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
        )


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
