"""Compares the tables of a file with each other: SQLite does not know how they relate."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

from .errors import corruption_error
from .frame_index import has_wrong_entries
from .store_counters import decode_counters, read_meta
from .stream_index import has_wrong_streams

__all__ = ["compare_newest_rows", "differences"]

# Only the frames from here on can be read; those before wait to be removed.
_IN_LOG = "seq BETWEEN last_seq - frame_count + 1 AND last_seq"
_WRONG_ROWS = {
    "sessions without counters": (
        "SELECT count(*) FROM sessions WHERE number NOT IN (SELECT session FROM logs)"
    ),
    "counters without a session": (
        "SELECT count(*) FROM logs WHERE session NOT IN (SELECT number FROM sessions)"
    ),
    "sessions whose counters are not those of their frames": (
        "SELECT count(*) FROM logs LEFT JOIN (SELECT frames.session AS whose, count(*) AS found,"  # noqa: S608 - ours
        " sum(length(message)) AS size FROM frames JOIN logs ON logs.session = frames.session"
        f" WHERE {_IN_LOG} GROUP BY frames.session) ON whose = session"
        " WHERE ifnull(found, 0) IS NOT frame_count OR ifnull(size, 0) IS NOT byte_count"
    ),
    "sessions with more odd frames and gaps than they had frames": (
        "SELECT count(*) FROM logs WHERE odd_frames < 0 OR gap_frames < 0"
        " OR odd_frames + gap_frames > last_seq"
    ),
    "frames that belong to no session": (
        "SELECT count(*) FROM frames LEFT JOIN logs ON logs.session = frames.session"  # noqa: S608 - ours
        " LEFT JOIN tombstones ON tombstones.session = frames.session"
        f" WHERE NOT ifnull({_IN_LOG}, 0) AND NOT ifnull(seq <= up_to, 0)"
    ),
    "principals whose sessions are counted wrongly": (
        "SELECT count(*) FROM (SELECT principal, sessions FROM principals EXCEPT"
        " SELECT principal, count(*) FROM sessions GROUP BY principal)"
    ),
    "principals whose sessions are not counted": (
        "SELECT count(DISTINCT principal) FROM sessions"
        " WHERE principal NOT IN (SELECT principal FROM principals)"
    ),
}
_NEWEST = (
    "SELECT (SELECT max(number) FROM sessions) IS (SELECT max(session) FROM logs)"
    " AND NOT EXISTS (SELECT 1 FROM frames JOIN logs ON logs.session = frames.session"
    " WHERE key = (SELECT max(key) FROM frames) AND seq > last_seq)"
)


def differences(connection: sqlite3.Connection) -> list[str]:
    """Return in what the tables contradict each other at one moment. O(rows).

    Raises `sqlite3.Error`.
    """
    connection.execute("BEGIN")
    try:
        found = ["frames are not listed as they are"] if has_wrong_entries(connection) else []
        if has_wrong_streams(connection):
            found.append("streams do not list their frames as they are")
        for what, query in _WRONG_ROWS.items():
            (count,) = connection.execute(query).fetchone()
            if count:
                found.append(f"{what}: {count}")
        return found + _wrong_totals(connection)
    finally:
        connection.execute("ROLLBACK")


def _wrong_totals(connection: sqlite3.Connection) -> list[str]:
    def one(query: str) -> Any:
        return connection.execute(query).fetchone()[0]

    counters = decode_counters(read_meta(connection.execute)[1])
    values = counters.values
    states = Counter({state.value: count for state, count in values.states.items()})
    found = Counter(dict(connection.execute("SELECT state, count(*) FROM sessions GROUP BY state")))
    equal = {
        "sessions": values.created - sum(values.removed_sessions.values())
        == one("SELECT count(*) FROM logs"),
        "states": +states == +found,
        "frames": values.added - values.removed - values.dropped
        == one("SELECT total(frame_count) FROM logs"),
        "bytes": values.bytes == one("SELECT total(byte_count) FROM logs"),
        "revisions": values.revision >= (one("SELECT max(revision) FROM sessions") or 0),
    }
    return [f"the store's total of its {what} is wrong" for what, same in equal.items() if not same]


def compare_newest_rows(connection: sqlite3.Connection) -> None:
    """Compare the newest rows of the tables, at one moment. O(log rows).

    Raises `sqlite3.DatabaseError` if they contradict each other.
    """
    if not connection.execute(_NEWEST).fetchone()[0]:
        raise corruption_error("what the file counts")
