"""The known peers, their requirements, and how they are made. Nothing is imported before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from sessionkeeper.values.picklable import Picklable

from ..subject import Subject
from .optional_import import PeerNotInstalled, is_installed

__all__ = [
    "PEERS",
    "Peer",
    "PeerNeedsPlace",
    "PeerStorage",
    "UnknownPeer",
    "peer_names",
    "find_peer",
]


class PeerStorage(StrEnum):
    """Where a peer stores its data."""

    MEMORY = "memory"
    FILE = "file"
    REDIS = "Redis"
    POSTGRES = "PostgreSQL"


class UnknownPeer(Picklable, LookupError):
    """No peer has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no peer {name!r}; there are {', '.join(PEERS)}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer, before its package is imported."""

    name: str
    module: str
    made: str
    place: PeerStorage
    needs: tuple[str, ...]
    """The modules that must be there; their parents are imported to look, so none is deep."""

    @property
    def installed(self) -> bool:
        """Whether its modules could be imported."""
        return self.missing is None

    @property
    def missing(self) -> str | None:
        """The first required module that is missing."""
        return next((module for module in self.needs if not is_installed(module)), None)

    def check(self) -> None:
        """Raise `PeerNotInstalled` if a required module is missing."""
        if (missing := self.missing) is not None:
            raise PeerNotInstalled(missing, self.name)

    def subject_class(self) -> type[Subject]:
        """Return its class, which says what it offers and lacks; its package is not imported."""
        made: type[Subject] = getattr(import_module(self.module, __package__), self.made)
        return made

    def make(
        self,
        *,
        path: Path | None = None,
        redis_url: str | None = None,
        postgres_url: str | None = None,
    ) -> Subject:
        """Make the peer, not yet open.

        Args:
            path: for one that keeps a file: the file, not there yet, in a folder that is.
            redis_url: for one in Redis, of which it takes keys with a beginning of their own.
            postgres_url: for one in PostgreSQL, in which it takes a schema of its own.

        Raises:
            PeerNotInstalled: its package is not there; the text names the extra.
            PeerNeedsPlace: the file or the URL is missing.
        """
        self.check()
        made = self.subject_class()
        if self.place is PeerStorage.MEMORY:
            return made()
        where = {
            PeerStorage.FILE: path,
            PeerStorage.REDIS: redis_url,
            PeerStorage.POSTGRES: postgres_url,
        }[self.place]
        if where is None:
            raise PeerNeedsPlace(self)
        return made(where)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class PeerNeedsPlace(Picklable, ValueError):
    """A peer was to be made without its place: a file, a Redis or a PostgreSQL."""

    def __init__(self, peer: Peer) -> None:
        scheme = _SCHEMES.get(peer.place)
        hint = "" if scheme is None else f": {peer.name}={scheme}://HOST"
        super().__init__(f"{peer.name} needs a {peer.place}{hint}")
        self.peer = peer


_MEMORY, _FILE, _REDIS = PeerStorage.MEMORY, PeerStorage.FILE, PeerStorage.REDIS
_POSTGRES = PeerStorage.POSTGRES
_SCHEMES = {PeerStorage.REDIS: "redis", PeerStorage.POSTGRES: "postgresql"}
_MCP = ("mcp", "mcp_persist")
_ADK = ("google.adk", "google.genai")
_ALL = (
    Peer("aiocache", ".aiocache", "AiocacheMemory", _MEMORY, ("aiocache",)),
    Peer("aiocache-redis", ".aiocache", "AiocacheRedis", _REDIS, ("aiocache", "redis")),
    Peer("cashews", ".cashews", "CashewsMemory", _MEMORY, ("cashews",)),
    Peer("cashews-redis", ".cashews", "CashewsRedis", _REDIS, ("cashews", "redis")),
    Peer("py-key-value", ".key_value", "KeyValueMemory", _MEMORY, ("key_value.aio", "cachetools")),
    Peer("py-key-value-disk", ".key_value", "KeyValueDisk", _FILE, ("key_value.aio", "diskcache")),
    Peer("py-key-value-redis", ".key_value", "KeyValueRedis", _REDIS, ("key_value.aio", "redis")),
    Peer("fastmcp", ".fastmcp", "FastmcpMemory", _MEMORY, ("fastmcp", "mcp")),
    Peer("mcp-persist-sqlite", ".mcp_persist", "McpPersistSqlite", _FILE, (*_MCP, "aiosqlite")),
    Peer("mcp-persist-redis", ".mcp_persist", "McpPersistRedis", _REDIS, (*_MCP, "redis")),
    Peer(
        "mcp-persist-postgres",
        ".mcp_persist",
        "McpPersistPostgres",
        _POSTGRES,
        (*_MCP, "asyncpg"),
    ),
    Peer("openai-agents-sqlite", ".openai_agents", "OpenaiAgentsSqlite", _FILE, ("agents",)),
    Peer("openai-agents-redis", ".openai_agents", "OpenaiAgentsRedis", _REDIS, ("agents", "redis")),
    Peer(
        "openai-agents-postgres",
        ".openai_agents",
        "OpenaiAgentsPostgres",
        _POSTGRES,
        ("agents", "sqlalchemy", "asyncpg"),
    ),
    Peer("google-adk", ".google_adk", "AdkMemory", _MEMORY, _ADK),
    Peer("google-adk-sqlite", ".google_adk", "AdkSqlite", _FILE, (*_ADK, "aiosqlite")),
    Peer("google-adk-database", ".google_adk", "AdkDatabase", _FILE, (*_ADK, "sqlalchemy")),
    Peer(
        "google-adk-postgres",
        ".google_adk",
        "AdkPostgres",
        _POSTGRES,
        (*_ADK, "sqlalchemy", "asyncpg"),
    ),
    Peer("langgraph", ".langgraph", "LanggraphMemory", _MEMORY, ("langgraph.checkpoint.memory",)),
    Peer(
        "langgraph-sqlite",
        ".langgraph",
        "LanggraphSqlite",
        _FILE,
        ("langgraph.checkpoint.sqlite", "aiosqlite"),
    ),
    Peer(
        "langgraph-postgres",
        ".langgraph",
        "LanggraphPostgres",
        _POSTGRES,
        ("langgraph.checkpoint.postgres", "psycopg", "asyncpg"),
    ),
    Peer("langgraph-graph", ".langgraph_graph", "LanggraphGraph", _MEMORY, ("langgraph.graph",)),
    Peer("pykka", ".pykka", "PykkaActor", _MEMORY, ("pykka",)),
)
PEERS = {each.name: each for each in _ALL}


def peer_names() -> tuple[str, ...]:
    """Name all peers, installed or not."""
    return tuple(PEERS)


def find_peer(name: str) -> Peer:
    """Return the peer of this name.

    Raises:
        UnknownPeer: there is none; the text says which there are.
    """
    try:
        return PEERS[name]
    except KeyError:
        raise UnknownPeer(name) from None
