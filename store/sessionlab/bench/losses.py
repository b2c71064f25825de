"""Compares what was acknowledged with what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from .protocol import RoundReport, StoredReport
from .results import BenchResult, Stored
from .subject import Work

__all__ = ["NOTHING_STORED", "add_stored", "has_losses", "compare_stored", "describe_losses"]

NOTHING_STORED = Stored(0, 0, 0, 0, 0, 0, 0, checked=True)


def compare_stored(reports: Sequence[RoundReport], found: StoredReport | None, /) -> Stored:
    """Compare acknowledged and stored messages and updates of a round, session by session.

    Initial messages count as acknowledged. A failed call may be stored or not, so only what is
    missing beyond failed calls is lost, and only what is there beyond them is extra.
    """
    messages, maybe_messages = _sum_by_session(reports, Work.APPEND)
    updates, maybe_updates = _sum_by_session(reports, Work.MODIFY)
    lost = lost_updates = extra = extra_updates = 0
    if found is not None:
        messages = [each + found.before for each in messages]
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


def add_stored(one: Stored, other: Stored, /) -> Stored:
    """Add two rounds."""
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


def describe_losses(stored: Stored, /) -> tuple[str, bool]:
    """Return a short text about losses, and whether it is an alarm."""
    if not stored.checked:
        return "not checked", False
    texts: list[str] = []
    for what, whole, lost, extra in (
        ("messages", stored.messages, stored.lost_messages, stored.extra_messages),
        ("updates", stored.updates, stored.lost_updates, stored.extra_updates),
    ):
        if lost:
            texts.append(f"lost {lost:,} of {whole:,} {what}")
        if extra:
            texts.append(f"{extra:,} {what} too many")
    if texts:
        return ", ".join(texts), True
    perhaps = f", {stored.unknown:,} unknown" if stored.unknown else ""
    return f"all {stored.messages + stored.updates:,}{perhaps}", False


def has_losses(result: BenchResult, /) -> bool:
    """Return whether anything acknowledged is missing, or stored more than once."""
    return any(
        describe_losses(each.stored)[1] for subject in result.subjects for each in subject.measured
    )


def _sum_by_session(reports: Sequence[RoundReport], work: Work) -> tuple[list[int], list[int]]:
    sure = [report.acknowledged[work.value] for report in reports]
    maybe = [report.unknown[work.value] for report in reports]
    return [sum(each) for each in zip(*sure, strict=True)], [
        sum(each) for each in zip(*maybe, strict=True)
    ]


def _differences(sure: list[int], maybe: list[int], there: list[int]) -> tuple[int, int]:
    lost = sum(max(0, known - kept) for known, kept in zip(sure, there, strict=True))
    maximum = (known + perhaps for known, perhaps in zip(sure, maybe, strict=True))
    return lost, sum(max(0, kept - each) for kept, each in zip(there, maximum, strict=True))
