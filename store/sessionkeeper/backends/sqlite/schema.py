"""What a store's file holds, and how an older file becomes one of this version.

A session is two rows: what its caller set, which may be large and changes seldom, and its
counters, which every frame changes.
"""

from __future__ import annotations

import sqlite3

from .frame_index import LEVELS

__all__ = ["APPLICATION_ID", "NAMES", "PAGE_BYTES", "VERSION", "migrate"]

APPLICATION_ID = 0x736B7072
"""Says in the file's header whose file it is: `skpr`."""

# Three messages of 1 KB in a page of 4 KB leave a quarter of it empty, seven in 8 KB an eighth.
PAGE_BYTES = 8192

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row: what the store counts. Read at the beginning of a batch, written at its end.
        """CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL,
            numbers BLOB NOT NULL
        )""",
        """CREATE TABLE sessions (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            revision INTEGER NOT NULL,
            created_at REAL NOT NULL,
            born_at REAL NOT NULL,
            ended_at REAL,
            over_at REAL NOT NULL,
            state TEXT NOT NULL,
            principal TEXT,
            fields TEXT NOT NULL
        )""",
        "CREATE INDEX live ON sessions (number) WHERE ended_at IS NULL",
        # `place` is the order of last activity, and of ends: a clock could show two the same time.
        """CREATE TABLE logs (
            session INTEGER PRIMARY KEY,
            over INTEGER NOT NULL,
            place INTEGER NOT NULL,
            active_at REAL NOT NULL,
            last_activity REAL NOT NULL,
            frame_count INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            byte_count INTEGER NOT NULL
        )""",
        "CREATE INDEX by_place ON logs (over, place)",
        # An integer key of its own: frames are written one after the other whatever session they
        # belong to. A table WITHOUT ROWID in order of session is four times slower.
        """CREATE TABLE frames (
            key INTEGER PRIMARY KEY,
            session INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            direction INTEGER NOT NULL,
            sent_at INTEGER NOT NULL,
            detail BLOB,
            message BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX by_seq ON frames (session, seq)",
        # Frames nobody can reach any more, to be removed little by little.
        "CREATE TABLE graves (session INTEGER PRIMARY KEY, up_to INTEGER NOT NULL)",
        """CREATE TABLE principals (
            principal TEXT PRIMARY KEY,
            sessions INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "INSERT INTO meta (id, version, numbers) VALUES (1, 1, x'')",
    ),
    (
        # The two levels of the index in `places`.
        *(
            f"""CREATE TABLE {level} (
                session INTEGER NOT NULL,
                seq INTEGER NOT NULL,
                key INTEGER NOT NULL,
                PRIMARY KEY (session, seq)
            ) WITHOUT ROWID"""
            for level in LEVELS
        ),
        "INSERT INTO places SELECT session, seq, key FROM frames ORDER BY session, seq",
        "DROP INDEX by_seq",
    ),
    (
        # See `file_identity`.
        """CREATE TABLE origin (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            line INTEGER NOT NULL,
            epoch INTEGER NOT NULL
        )""",
        "INSERT INTO origin (id, line, epoch) VALUES (1, random(), 1)",
    ),
    (
        # An archive brings sessions that ended before others: `place` is not the order of ends.
        "CREATE INDEX by_end ON sessions (over_at) WHERE ended_at IS NOT NULL",
    ),
)
"""The statements that lead from each version to the next."""

VERSION = len(MIGRATIONS)

NAMES = frozenset(
    {
        *(
            "meta",
            "sessions",
            "live",
            "logs",
            "by_place",
            "by_end",
            "frames",
            "graves",
            "principals",
            "origin",
        ),
        *LEVELS,
    }
)
"""All there is in a file of this version, but for what SQLite adds of its own."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of an older version, or an empty one, to this one: all steps or none.

    Raises what SQLite raises; nothing was changed then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have been faster.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("UPDATE meta SET version = ?", (number,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
