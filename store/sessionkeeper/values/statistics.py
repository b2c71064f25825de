"""What a store tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soleowner import ActorStatistics

from .states import SessionState

__all__ = ["Counters", "FileStatistics", "ServerStatistics", "StoreStatistics", "TableStatistics"]


@dataclass(frozen=True, slots=True)
class Counters:
    """What was counted since the store began; the sums hold at every moment.

    `created` is the sessions there are, and those `deleted`, `purged` and `evicted`;
    `frames_added` is the frames there are, and those removed and dropped.
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
    """Deleted, trimmed, or removed with their session."""
    frames_dropped: int
    """Dropped to make room for newer ones."""
    odd_frames_added: int = 0
    """Of the added: those that were no JSON-RPC message."""
    gap_frames_added: int = 0
    """Of the added: those that stand for what a recorder could not keep."""


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """The file a store lives in."""

    bytes: int
    """Of the file itself."""
    log_bytes: int
    """Of the write-ahead log beside it; what was written comes into the file from there."""
    page_bytes: int
    pages: int
    free_pages: int
    """Pages of the file that hold nothing; `vacuum` gives them back."""
    library: str = field(default="", kw_only=True)
    """The version of SQLite in use."""
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    """What that library may still do to the file, in sentences."""


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """The server a store lives on, as it was when the store was opened; of a cluster, the least.

    What it does when its memory is full is read again while the store works.
    """

    product: str
    version: str
    cluster: bool
    buckets: int
    """Parts of the store; within one, everything is one step."""
    replicas: int
    acknowledged: str
    """What has happened to a write that was acknowledged, in plain words."""
    durability: str
    """What is there again after the server was killed, in plain words."""
    maxmemory: int
    """Bytes; 0 for no limit."""
    eviction: str
    """What the server does when that is reached: its `maxmemory-policy`."""
    warnings: tuple[str, ...]
    """What may still lose something, in sentences that name the setting."""
    ttl: float | None = None
    """Seconds after the last write to a session until the server frees it; None for never."""


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """What the tables hold at one moment."""

    sessions: Mapping[SessionState, int]
    """Sessions by state, all six states."""
    frames: int
    bytes: int | None
    """Bytes of all messages held; None where the store cannot tell."""
    counters: Counters
    file: FileStatistics | None = field(default=None, kw_only=True)
    """None where there is no file."""


@dataclass(frozen=True, slots=True)
class StoreStatistics(TableStatistics):
    """What a store holds, and how its mailbox fares if it has one."""

    mailbox: ActorStatistics | None
    refusals: Mapping[str, int]
    """How often an operation was answered with which error, by the name of its class."""
    server: ServerStatistics | None = field(default=None, kw_only=True)
    """None where there is no server."""
