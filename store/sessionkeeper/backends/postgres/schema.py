"""The tables of a store's schema, and the rights that a role needs to use them.

A session has two rows: the caller's fields, which may be large and seldom change, and its counters,
which change with every frame.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

__all__ = [
    "APPLICATION",
    "COLUMNS",
    "CREATION_LOCK",
    "REVISIONS_A_DRAW",
    "RIGHTS",
    "SEQUENCE",
    "STORE_LOCK",
    "TABLES",
    "UPGRADES",
    "VERSION",
    "WRITTEN_COLUMNS",
    "grants",
    "lock_key",
]

APPLICATION = "sessionkeeper"
"""In the row of `meta`: the schema belongs to this library."""

VERSION = 1
"""The version of these tables; `UPGRADES` changes those of an older schema."""

UPGRADES: dict[int, tuple[str, ...]] = {}
"""By the version they start from: statements that lead to the next one."""

STORE_LOCK = 0x736B7072
"""The class of the advisory locks of batches, `skpr`; their key is `lock_key` of the schema."""
CREATION_LOCK = STORE_LOCK + 1
"""The class of the advisory locks of processes that create or upgrade a schema."""

SEQUENCE = "revisions"
REVISIONS_A_DRAW = 1024
"""Revisions that a batch takes from the sequence at a time."""


class _Table(NamedTuple):
    columns: dict[str, str]
    """The type and constraints of each column by its name."""
    constraint: str = ""
    storage: str = ""


# Columns with `steady` are seconds of `StoreClock`. Wide types first: rows have no holes.
_TABLES: dict[str, _Table] = {
    # One row: what the schema is, and the number of the session that was created last.
    "meta": _Table(
        {
            "id": "smallint PRIMARY KEY CHECK (id = 1)",
            "application": "text NOT NULL",
            "version": "integer NOT NULL",
            "last_number": "bigint NOT NULL",
        }
    ),
    # `number` counts in order of creation; `expires_at` is in microseconds since the epoch.
    "sessions": _Table(
        {
            "number": "bigint PRIMARY KEY",
            "revision": "bigint NOT NULL",
            "created_at": "float8 NOT NULL",
            "steady_created_at": "float8 NOT NULL",
            "ended_at": "float8",
            "steady_ended_at": "float8 NOT NULL",
            "expires_at": "bigint",
            "id": 'text COLLATE "C" NOT NULL UNIQUE',
            "state": "text NOT NULL",
            "incarnation": "text NOT NULL",
            "principal": "bytea",
            "fields": "text NOT NULL",
        }
    ),
    # Every frame changes a row here: room for its next version keeps it on its page.
    "logs": _Table(
        {
            "session": "bigint PRIMARY KEY",
            "revision": "bigint NOT NULL",
            "steady_active_at": "float8 NOT NULL",
            "last_activity": "float8 NOT NULL",
            "frame_count": "bigint NOT NULL",
            "last_seq": "bigint NOT NULL",
            "byte_count": "bigint NOT NULL",
            "odd_frames": "bigint NOT NULL",
            "gap_frames": "bigint NOT NULL",
            "ended": "boolean NOT NULL",
            # Tenths of seconds. Their index changes only when they do, so the frames that follow
            # one another soon write no index at all.
            "active_tenth": "bigint GENERATED ALWAYS AS"
            " (floor(10 * greatest(-1e15, least(1e15, steady_active_at)))::bigint) STORED",
        },
        storage=(
            "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,"
            " autovacuum_vacuum_threshold = 1000"
        ),
    ),
    "frames": _Table(
        {
            "session": "bigint NOT NULL",
            "seq": "bigint NOT NULL",
            "sent_at": "bigint NOT NULL",
            "direction": "smallint NOT NULL",
            "message": "bytea NOT NULL",
            "detail": "bytea",
            "stream": "bytea",
        },
        constraint="PRIMARY KEY (session, seq)",
    ),
    # Frames up to a number that are removed, and are not collected yet.
    "tombstones": _Table({"session": "bigint PRIMARY KEY", "up_to": "bigint NOT NULL"}),
    "principals": _Table({"principal": "bytea PRIMARY KEY", "sessions": "bigint NOT NULL"}),
    # What one writer did last, and its share of the counters: the witness of a lost answer.
    "writers": _Table(
        {
            "id": "bigint PRIMARY KEY",
            "batch": "bigint NOT NULL",
            "announced": "bigint NOT NULL",
            "xid": "text NOT NULL",
            "used_at": "timestamptz NOT NULL",
            # Also among the counters; apart, so that one statement can add them up.
            "bytes": "bigint NOT NULL",
            "counters": "bytea NOT NULL",
        },
        storage="fillfactor = 50",
    ),
    "watchers": _Table({"id": "bigint PRIMARY KEY", "until": "timestamptz NOT NULL"}),
}

COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(table.columns) for name, table in _TABLES.items()
}
"""The columns of each table, in their order."""

WRITTEN_COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(each for each, kind in table.columns.items() if "GENERATED" not in kind)
    for name, table in _TABLES.items()
}
"""The same without those that the server computes."""

_INDEXES = (
    "CREATE INDEX live ON sessions (number) WHERE ended_at IS NULL",
    "CREATE INDEX by_end ON sessions (steady_ended_at) WHERE ended_at IS NOT NULL",
    # Few sessions have one, and ended ones need none.
    "CREATE INDEX by_expiry ON sessions (expires_at)"
    " WHERE expires_at IS NOT NULL AND ended_at IS NULL",
    "CREATE INDEX by_activity ON logs (ended, active_tenth)",
    "CREATE INDEX by_stream ON frames (session, stream, seq) WHERE stream IS NOT NULL",
)


def _created(name: str, table: _Table) -> str:
    lines = [f"{column} {kind}" for column, kind in table.columns.items()]
    lines += [table.constraint] if table.constraint else []
    storage = f" WITH ({table.storage})" if table.storage else ""
    return f"CREATE TABLE {name} ({', '.join(lines)}){storage}"


TABLES: tuple[str, ...] = (
    *(_created(name, table) for name, table in _TABLES.items()),
    *_INDEXES,
    # A revision is a number of this sequence plus the place in the batch.
    f"CREATE SEQUENCE {SEQUENCE} INCREMENT BY {REVISIONS_A_DRAW}",
)
"""The statements that make all of it."""

RIGHTS: dict[str, tuple[str, ...]] = {
    "meta": ("SELECT", "UPDATE"),
    **{name: ("SELECT", "INSERT", "UPDATE", "DELETE") for name in COLUMNS if name != "meta"},
}
"""The rights that a role needs on each table, beside USAGE on the schema and the sequence."""


def grants(schema: str, role: str) -> tuple[str, ...]:
    """Return the statements that let a role use the store in a schema of another role.

    Both names are inserted as they are: give names that need no quotes, or quote them.
    """
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        *(
            f"GRANT {', '.join(rights)} ON {schema}.{table} TO {role}"
            for table, rights in RIGHTS.items()
        ),
        f"GRANT USAGE ON SEQUENCE {schema}.{SEQUENCE} TO {role}",
    )


def lock_key(schema: str) -> int:
    """Return the key of a schema's advisory locks: a signed number of 32 bits.

    It is made of the name: a schema that a backup replaces under open stores has another oid.
    """
    key = crc32(schema.encode())
    return key - 2**32 if key >= 2**31 else key
