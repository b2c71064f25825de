"""The tables of a store's file.

A session has two rows: the caller's fields, which may be large and seldom change, and its counters,
which change with every frame.
"""

from __future__ import annotations

from .frame_index import LEVELS
from .stream_index import STREAM_LEVELS

__all__ = ["APPLICATION_ID", "NAMES", "PAGE_BYTES", "TABLES", "VERSION"]

APPLICATION_ID = 0x736B7072
"""`skpr` in the file's header: the file belongs to this library."""

VERSION = 7
"""The version of these tables; `upgrades` changes the tables of an older file."""

# Three messages of 1 KB in a page of 4 KB leave a quarter of it empty, seven in 8 KB an eighth.
PAGE_BYTES = 8192

TABLES: tuple[str, ...] = (
    # One row: the counters of the whole store. A batch reads it first and writes it last.
    """CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL,
        counters BLOB NOT NULL
    )""",
    # `number` counts in order of creation. Columns with `steady` are seconds of `StoreClock`.
    """CREATE TABLE sessions (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        created_at REAL NOT NULL,
        steady_created_at REAL NOT NULL,
        ended_at REAL,
        steady_ended_at REAL NOT NULL,
        state TEXT NOT NULL,
        principal TEXT,
        fields TEXT NOT NULL,
        incarnation TEXT,
        expires_at INTEGER
    )""",
    "CREATE INDEX live ON sessions (number) WHERE ended_at IS NULL",
    # Not by `position`: an archive brings sessions that ended before others.
    "CREATE INDEX by_end ON sessions (steady_ended_at) WHERE ended_at IS NOT NULL",
    # In microseconds since the epoch. Few sessions have one, and ended ones need none.
    "CREATE INDEX by_expiry ON sessions (expires_at)"
    " WHERE expires_at IS NOT NULL AND ended_at IS NULL",
    # `position` is the order of last activity of live sessions, and the order in which ended ones
    # were ended here. A time would not do: a clock can show the same time twice.
    """CREATE TABLE logs (
        session INTEGER PRIMARY KEY,
        ended INTEGER NOT NULL,
        position INTEGER NOT NULL,
        steady_active_at REAL NOT NULL,
        last_activity REAL NOT NULL,
        frame_count INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        byte_count INTEGER NOT NULL,
        odd_frames INTEGER NOT NULL DEFAULT 0,
        gap_frames INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX by_position ON logs (ended, position)",
    # An ended session is seldom active again, and a live one has its position.
    "CREATE INDEX by_last_activity ON logs (steady_active_at) WHERE ended = 1",
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
    # The two levels of `frame_index`.
    *(
        f"""CREATE TABLE {level} (
            session INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            key INTEGER NOT NULL,
            PRIMARY KEY (session, seq)
        ) WITHOUT ROWID"""
        for level in LEVELS
    ),
    # The two levels of `stream_index`: only frames that name a stream have a row.
    *(
        f"""CREATE TABLE {level} (
            session INTEGER NOT NULL,
            stream TEXT NOT NULL,
            seq INTEGER NOT NULL,
            key INTEGER NOT NULL,
            PRIMARY KEY (session, stream, seq)
        ) WITHOUT ROWID"""
        for level in STREAM_LEVELS
    ),
    # Removed frames, up to this number of a session, that are still to be deleted.
    "CREATE TABLE tombstones (session INTEGER PRIMARY KEY, up_to INTEGER NOT NULL)",
    """CREATE TABLE principals (
        principal TEXT PRIMARY KEY,
        sessions INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # One row, see `file_identity`.
    """CREATE TABLE origin (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        file_id INTEGER NOT NULL,
        epoch INTEGER NOT NULL
    )""",
    "INSERT INTO meta (id, version, counters) VALUES (1, 0, x'')",
    "INSERT INTO origin (id, file_id, epoch) VALUES (1, random(), 1)",
)
"""The statements that make the tables of a new file."""

NAMES = frozenset(
    {
        *("meta", "sessions", "live", "by_end", "by_expiry", "logs", "by_position"),
        *("by_last_activity", "frames", *LEVELS, *STREAM_LEVELS),
        *("tombstones", "principals", "origin"),
    }
)
"""The tables and indexes of a file of this version; SQLite adds indexes of its own."""
