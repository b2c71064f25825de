"""The lines of the table: what is measured on our side, and beside what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..peers import PEERS, Peer, PeerStorage
from ..subject import Subject
from ..targets import make_subject, parse_target
from . import measures as timed
from .measures import Measure
from .servers import Servers

__all__ = ["LINES", "Line", "Room", "Side", "select_lines"]

_MEMORY, _FILE, _REDIS = PeerStorage.MEMORY, PeerStorage.FILE, PeerStorage.REDIS
_POSTGRES = PeerStorage.POSTGRES
_PLACE = __package__ or ""
_BY_HAND = {
    each.name: each
    for each in (
        Peer("aiosqlite", f"{_PLACE}.by_hand", "AiosqliteCommits", _FILE, ("aiosqlite",)),
        Peer("redis-py", f"{_PLACE}.by_hand_redis", "RedisPyScripts", _REDIS, ("redis",)),
        *(
            Peer(name, f"{_PLACE}.by_hand_postgres", made, _POSTGRES, ("asyncpg",))
            for name, made in (
                ("asyncpg, a pool of 16", "AsyncpgPool"),
                ("asyncpg, one connection", "AsyncpgConnection"),
            )
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Room:
    """Where the sides of one turn keep what they are given."""

    folder: Path
    servers: Servers
    run: str
    """Begins the names of our keys on a server."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a line."""

    name: str
    measure: Measure
    peer: Peer | None = None
    """What is made anew for each turn; None for a store of ours, or for nothing at all."""

    async def turn(self, room: Room, storage: PeerStorage, calls: int) -> float:
        """Return operations a second of a fresh subject. Raises what the subject raises."""
        return await self.measure(self._make(room, storage), calls)

    def _make(self, room: Room, storage: PeerStorage) -> Subject:
        if self.peer is not None:
            return self.peer.make(
                path=room.folder / "theirs",
                redis_url=room.servers.get(_REDIS),
                postgres_url=room.servers.get(_POSTGRES),
            )
        ours = {_MEMORY: "memory", _FILE: "sqlite", **room.servers}[storage]
        return make_subject(parse_target(ours), room.folder, run=room.run)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    storage: PeerStorage
    ours: Side
    theirs: tuple[Side, ...]
    most: int
    """Calls of a turn; a side that is too slow for its time gets fewer."""

    @property
    def title(self) -> str:
        """`memory: add_frame`."""
        return f"{self.storage}: {self.what}"


def _line(
    what: str,
    storage: PeerStorage,
    measure: Measure,
    peers: Sequence[str],
    *others: Side,
    most: int = 12_800,
) -> Line:
    """A line on which all named peers are measured as we are."""
    known = {**PEERS, **_BY_HAND}
    theirs = (*others, *(Side(name, measure, known[name]) for name in peers))
    return Line(what, storage, Side("sessionkeeper", measure), theirs, most)


_LOGS = ("langgraph", "google-adk", "fastmcp")
_CACHES = ("cashews", "aiocache", "py-key-value")
_FILES = ("aiosqlite", "mcp-persist-sqlite", "openai-agents-sqlite", "langgraph-sqlite")
_SERVERS = ("redis-py", "mcp-persist-redis", "openai-agents-redis")
_DATABASES = (
    *("asyncpg, a pool of 16", "asyncpg, one connection", "mcp-persist-postgres"),
    *("langgraph-postgres", "openai-agents-postgres", "google-adk-postgres"),
)
_HAND_OFF = Side("bare hand-off", timed.handing_off)
_LISTS = Side("locked lists", timed.locked_lists)

LINES = (
    _line("from bytes to stored", _MEMORY, timed.appending, _LOGS),
    _line(
        "add_frame, ready messages",
        _MEMORY,
        timed.adding,
        _LOGS,
        _LISTS,
        Side("langgraph, ready checkpoints", timed.putting, PEERS["langgraph"]),
    ),
    _line("add_frame, long logs", _MEMORY, timed.adding_deep, _LOGS[:2]),
    _line("add_frames of 64", _MEMORY, timed.adding_batches, (), _LISTS, most=51_200),
    _line("set and get of 1 KB", _MEMORY, timed.set_and_get, _CACHES, most=6_400),
    _line("get", _MEMORY, timed.getting, _CACHES),
    _line("get_session", _MEMORY, timed.getting_plainly, (), _HAND_OFF),
    _line("set of 1 KB", _MEMORY, timed.setting, _CACHES),
    _line(
        "ask",
        _MEMORY,
        timed.asking,
        (),
        _HAND_OFF,
        Side("pykka", timed.asking_pykka, PEERS["pykka"]),
    ),
    _line("add_frame", _FILE, timed.adding, (*_FILES, "google-adk-sqlite"), most=6_400),
    _line("add_frame, all on one session", _FILE, timed.adding_to_one, _FILES[:2], most=6_400),
    _line("add_frame, one caller", _FILE, timed.adding_alone, _FILES[:2], most=1_000),
    _line("add_frame", _REDIS, timed.adding, _SERVERS, most=6_400),
    _line("add_frame, all on one session", _REDIS, timed.adding_to_one, _SERVERS[:2], most=6_400),
    _line("get", _REDIS, timed.getting, _SERVERS[:1], most=6_400),
    _line("add_frame", _POSTGRES, timed.adding, _DATABASES, most=6_400),
    _line(
        "add_frame, all on one session", _POSTGRES, timed.adding_to_one, _DATABASES[:3], most=6_400
    ),
    _line("add_frame, one caller", _POSTGRES, timed.adding_alone, _DATABASES[1:3], most=1_000),
)
"""64 callers with a session each and messages of 1 KB, unless a line says otherwise."""


def select_lines(texts: Sequence[str], /) -> tuple[Line, ...]:
    """Return the lines with one of these texts in the title or among the names beside them.

    Case does not count. Raises `ValueError` for a text that no line has.
    """
    found: set[Line] = set()
    for text in texts:
        having = [line for line in LINES if _has(line, text.casefold())]
        if not having:
            titles = "; ".join(line.title for line in LINES)
            raise ValueError(f"no line has {text!r} in it; there are: {titles}")
        found.update(having)
    return tuple(line for line in LINES if line in found)


def _has(line: Line, text: str) -> bool:
    names = (line.title, *(side.name for side in line.theirs))
    return any(text in name.casefold() for name in names)
