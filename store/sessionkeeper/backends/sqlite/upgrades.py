"""Makes the tables of a new file, and changes those of an older file to this version."""

from __future__ import annotations

import sqlite3

from .raw_connection import pragma
from .schema import APPLICATION_ID, TABLES, VERSION

__all__ = ["UPGRADES", "make_current"]

UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        # The index of the frames in two levels.
        *(
            f"""CREATE TABLE {level} (
                session INTEGER NOT NULL,
                seq INTEGER NOT NULL,
                key INTEGER NOT NULL,
                PRIMARY KEY (session, seq)
            ) WITHOUT ROWID"""
            for level in ("places", "new_places")
        ),
        "INSERT INTO places SELECT session, seq, key FROM frames ORDER BY session, seq",
        "DROP INDEX by_seq",
    ),
    2: (
        """CREATE TABLE origin (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            line INTEGER NOT NULL,
            epoch INTEGER NOT NULL
        )""",
        "INSERT INTO origin (id, line, epoch) VALUES (1, random(), 1)",
    ),
    3: ("CREATE INDEX by_end ON sessions (over_at) WHERE ended_at IS NOT NULL",),
    4: (
        # Only names. The rows stay as they are; the index of the sessions is built again.
        "ALTER TABLE meta RENAME COLUMN numbers TO counters",
        "ALTER TABLE sessions RENAME COLUMN born_at TO steady_created_at",
        "ALTER TABLE sessions RENAME COLUMN over_at TO steady_ended_at",
        'ALTER TABLE logs RENAME COLUMN "over" TO ended',
        "ALTER TABLE logs RENAME COLUMN place TO position",
        "ALTER TABLE logs RENAME COLUMN active_at TO steady_active_at",
        "DROP INDEX by_place",
        "CREATE INDEX by_position ON logs (ended, position)",
        "ALTER TABLE places RENAME TO frame_keys",
        "ALTER TABLE new_places RENAME TO new_frame_keys",
        "ALTER TABLE graves RENAME TO tombstones",
        "ALTER TABLE origin RENAME COLUMN line TO file_id",
    ),
    5: tuple(
        f"ALTER TABLE logs ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
        for name in ("odd_frames", "gap_frames")
    ),
    6: (
        # NULL in the sessions there are: reading derives it from their number.
        "ALTER TABLE sessions ADD COLUMN incarnation TEXT",
        *(
            f"""CREATE TABLE {level} (
                session INTEGER NOT NULL,
                stream TEXT NOT NULL,
                seq INTEGER NOT NULL,
                key INTEGER NOT NULL,
                PRIMARY KEY (session, stream, seq)
            ) WITHOUT ROWID"""
            for level in ("stream_keys", "new_stream_keys")
        ),
        "ALTER TABLE sessions ADD COLUMN expires_at INTEGER",
        "CREATE INDEX by_expiry ON sessions (expires_at)"
        " WHERE expires_at IS NOT NULL AND ended_at IS NULL",
        # Archived sessions that had ended were active when they were archived.
        "UPDATE logs SET steady_active_at = ("
        "SELECT steady_ended_at + last_activity - ended_at FROM sessions"
        " WHERE number = session AND ended_at IS NOT NULL) WHERE ended = 1 AND steady_active_at > ("
        "SELECT steady_ended_at FROM sessions WHERE number = session AND ended_at IS NOT NULL)",
        "CREATE INDEX by_last_activity ON logs (steady_active_at) WHERE ended = 1",
    ),
}
"""The statements that lead from each older version to the next one."""


def make_current(connection: sqlite3.Connection) -> None:
    """Bring an empty file, or one of an older version, to this version: all steps or none.

    Raises `sqlite3.Error`; nothing was changed then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read under the lock: another process may have done it meanwhile.
        version = pragma(connection, "user_version")
        cookie = pragma(connection, "schema_version")
        steps = [UPGRADES[each] for each in range(version, VERSION)] if version else [TABLES]
        for step in steps:
            for statement in step:
                connection.execute(statement)
        if version and steps:
            # SQLite counts each statement. `file_identity` allows a log one count more than the
            # file, so that a copy of another file beside this log is found out.
            connection.execute(f"PRAGMA schema_version = {cookie + 1}")
        connection.execute("UPDATE meta SET version = ?", (VERSION,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
