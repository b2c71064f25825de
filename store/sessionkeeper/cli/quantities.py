"""Times, durations and sizes as users write them and read them. All times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

__all__ = [
    "format_counted",
    "format_duration",
    "format_moment",
    "format_size",
    "parse_duration",
    "parse_since",
]

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
_FIRST = datetime.min.replace(tzinfo=UTC)


def parse_duration(text: str, *, option: str) -> timedelta:
    """Parse a number with a unit, such as 500ms or 2s. Raises `typer.BadParameter`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(
            "give a number and a unit: 500ms, 90s, 30m, 12h, 7d or 4w", param_hint=option
        )
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])


def parse_since(text: str, *, option: str = "--since") -> datetime:
    """Parse a moment: that long ago, as 1h or 2d, or in ISO 8601; UTC unless it names a zone.

    Raises `typer.BadParameter`.
    """
    if _DURATION.fullmatch(text.strip()) is not None:
        try:
            return datetime.now(UTC) - parse_duration(text, option=option)
        except OverflowError:  # before the first year
            return _FIRST
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "give how long ago (30m, 1h, 2d) or a time in UTC (2026-11-30, 2026-11-30T06:00)",
            param_hint=option,
        ) from None


def format_duration(duration: timedelta) -> str:
    """Write a duration with two or three digits: `0.35 ms`, `48 ms`, `1.52 s`, `3 m 12 s`."""
    seconds = duration / timedelta(seconds=1)
    if seconds < 0:
        return f"-{format_duration(-duration)}"
    thousandths = seconds * 1000
    if thousandths < 999.5:
        digits = 2 if thousandths < 9.995 else 1 if thousandths < 99.95 else 0
        return f"{thousandths:.{digits}f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02} h"


def format_size(size: int) -> str:
    """Write a number of bytes with two or three digits: `46 B`, `1.2 KiB`, `10 MiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.5 or unit == "TiB":
            return f"{amount:.{1 if amount < 9.95 else 0}f} {unit}"
    raise AssertionError


def format_moment(moment: datetime, *, exact: bool = False) -> str:
    """Write a moment: of today in UTC the time, else the date as well; `exact` to milliseconds."""
    moment = moment.astimezone(UTC)
    today = moment.date() == datetime.now(UTC).date()
    if exact:
        time = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
        return time if today else f"{moment:%Y-%m-%d} {time}"
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M}"


def format_counted(count: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 call`, `2,312 calls`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
