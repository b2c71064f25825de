"""What SQLite and PostgreSQL hold alike in the columns of sessions and frames.

Redis shares the errors only: its moments are whole microseconds, its frames a stream.
"""

from __future__ import annotations

import msgspec

from ..values.states import Direction, SessionState

__all__ = ["DIRECTIONS", "STATES", "UNREADABLE", "have_dates"]

# Looked up in a dict: calling an enum takes five times as long.
STATES = {state.value: state for state in SessionState}
DIRECTIONS = {0: Direction.CLIENT_TO_SERVER, 1: Direction.SERVER_TO_CLIENT}

UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
"""The errors of reading a damaged value."""

_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999


def have_dates(created_at: float, last_activity: float, ended_at: float | None) -> bool:
    """Whether the moments of a session, in seconds since the epoch, have dates.

    Raises `TypeError` for what is no number.
    """
    return (
        _FIRST <= created_at <= _LAST
        and _FIRST <= last_activity <= _LAST
        and (ended_at is None or _FIRST <= ended_at <= _LAST)
    )
