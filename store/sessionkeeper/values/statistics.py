"""The statistics of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soleowner import ActorStatistics

from .states import SessionState

__all__ = [
    "Counters",
    "FileStatistics",
    "PostgresStatistics",
    "ServerStatistics",
    "StoreStatistics",
    "TableStatistics",
]


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters since the store was created; the sums hold at every moment.

    `created` equals the sessions that exist plus those `deleted`, `purged` and `evicted`;
    `frames_added` equals the frames that exist plus those removed and dropped.
    """

    created: int
    deleted: int
    purged: int
    """Deleted after their retention."""
    evicted: int
    """Deleted to make room for a new one."""
    ended: Mapping[SessionState, int]
    """How many sessions ever reached each of the three terminal states."""
    frames_added: int
    frames_removed: int
    """Deleted, trimmed, or removed with their session; they do not exist any more."""
    frames_dropped: int
    """Dropped to make room for newer ones."""
    odd_frames_added: int = 0
    """Of the added: those that were no JSON-RPC message."""
    gap_frames_added: int = 0
    """Of the added: gap frames, which stand for lines that were not kept."""
    contents_removed: int = 0
    """Frames that lost their content in `remove_frames`; they still exist, as removed frames."""


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """The file of a store."""

    bytes: int
    """Bytes of the file itself."""
    log_bytes: int
    """Bytes of the write-ahead log beside it, from which changes are copied into the file."""
    page_bytes: int
    pages: int
    free_pages: int
    """Unused pages of the file; `vacuum` returns them to the file system."""
    library: str = field(default="", kw_only=True)
    """The version of SQLite in use."""
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    """Known bugs of that version that can affect the file, in sentences."""


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """The Redis or Valkey server of a store at its opening; of a cluster, the weakest values.

    The eviction policy is read again while the store works.
    """

    product: str
    version: str
    cluster: bool
    buckets: int
    """Parts of the store; within one, everything is one step."""
    replicas: int
    acknowledged: str
    """What an acknowledgement of a write means, in plain words."""
    durability: str
    """What survives a kill of the server, in plain words."""
    maxmemory: int
    """Bytes; 0 for no limit."""
    eviction: str
    """What the server does when that is reached: its `maxmemory-policy`."""
    warnings: tuple[str, ...]
    """Settings that may lose data, in sentences that name the setting."""
    ttl: float | None = None
    """Seconds after the last write to a session until the server frees it; None for never."""


@dataclass(frozen=True, slots=True)
class PostgresStatistics:
    """The PostgreSQL server of a store, as it was when the store connected to it."""

    product: str
    version: str
    acknowledged: str
    """What an acknowledgement of a write means, in plain words."""
    durability: str
    """What survives a power cut at the server, in plain words."""
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    synchronous_standbys: str
    """The setting `synchronous_standby_names`; empty for none."""
    replicas: int
    """Replicas that were connected."""
    in_recovery: bool
    """Whether the server is a standby: then a store refuses it."""
    role: str
    encrypted: bool
    """Whether the connection uses TLS."""
    isolation: str
    """The level of isolation of transactions that change something."""
    timeouts: Mapping[str, float | None]
    """Seconds of `lock_timeout`, `statement_timeout`, `transaction_timeout`,
    `idle_in_transaction_session_timeout` and `idle_session_timeout`; None for no limit, or where
    the server has no such setting."""
    warnings: tuple[str, ...]
    """Settings that may lose data, in sentences that name the setting."""


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """The content of the tables at one moment."""

    sessions: Mapping[SessionState, int]
    """Sessions by state, all six states."""
    frames: int
    bytes: int | None
    """Bytes of all stored messages; None if the store does not know."""
    counters: Counters
    file: FileStatistics | None = field(default=None, kw_only=True)
    """None where there is no file."""


@dataclass(frozen=True, slots=True)
class StoreStatistics(TableStatistics):
    """The content of a store, and the state of its mailbox if it has one."""

    mailbox: ActorStatistics | None
    refusals: Mapping[str, int]
    """The number of refused operations, by the name of the error's class."""
    server: ServerStatistics | PostgresStatistics | None = field(default=None, kw_only=True)
    """None where there is no server."""
