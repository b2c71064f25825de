"""What was acknowledged, and what is there: the difference is the price of some speeds."""

from __future__ import annotations

from collections.abc import Sequence

from .orders import Checked, RoundReport
from .results import Stored
from .subject import Work

__all__ = ["NOTHING_STORED", "added", "stored_of"]

NOTHING_STORED = Stored(0, 0, 0, 0, 0, 0, 0, checked=True)


def stored_of(reports: Sequence[RoundReport], found: Checked | None, /) -> Stored:
    """Compare, session by session, what all processes of a round were promised with what is there.

    What failed may have been stored or not: only what is missing beyond that is lost, and only
    what is there beyond that is extra.
    """
    messages, maybe_messages = _summed(reports, Work.APPEND)
    updates, maybe_updates = _summed(reports, Work.MODIFY)
    lost = lost_updates = extra = extra_updates = 0
    if found is not None:
        lost, extra = _differences(messages, maybe_messages, found.appended)
        lost_updates, extra_updates = _differences(updates, maybe_updates, found.counters)
    return Stored(
        messages=sum(messages),
        lost_messages=lost,
        extra_messages=extra,
        updates=sum(updates),
        lost_updates=lost_updates,
        extra_updates=extra_updates,
        unknown=sum(maybe_messages) + sum(maybe_updates),
        checked=found is not None,
    )


def added(one: Stored, other: Stored, /) -> Stored:
    """Return the sum of two rounds."""
    return Stored(
        messages=one.messages + other.messages,
        lost_messages=one.lost_messages + other.lost_messages,
        extra_messages=one.extra_messages + other.extra_messages,
        updates=one.updates + other.updates,
        lost_updates=one.lost_updates + other.lost_updates,
        extra_updates=one.extra_updates + other.extra_updates,
        unknown=one.unknown + other.unknown,
        checked=one.checked and other.checked,
    )


def _summed(reports: Sequence[RoundReport], work: Work) -> tuple[list[int], list[int]]:
    sure = [report.acknowledged[work.value] for report in reports]
    maybe = [report.unknown[work.value] for report in reports]
    return [sum(each) for each in zip(*sure, strict=True)], [
        sum(each) for each in zip(*maybe, strict=True)
    ]


def _differences(sure: list[int], maybe: list[int], there: list[int]) -> tuple[int, int]:
    lost = sum(max(0, known - kept) for known, kept in zip(sure, there, strict=True))
    most = (known + perhaps for known, perhaps in zip(sure, maybe, strict=True))
    return lost, sum(max(0, kept - each) for kept, each in zip(there, most, strict=True))
