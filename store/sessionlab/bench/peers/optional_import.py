"""Imports of optional packages, and the one-line error if they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from sessionkeeper.values.picklable import Picklable

__all__ = ["EXTRA", "PeerNotInstalled", "import_peer_module", "is_installed", "pip_command"]

EXTRA = "perf-peers"
_BROUGHT_BY = {
    "agents": "openai-agents",
    "fastmcp": "'fastmcp<4.2'",
    "google.adk": "google-adk",
    "google.genai": "google-adk",
    "key_value.aio": "'py-key-value-aio<0.5'",
    "langgraph.checkpoint.memory": "langgraph",
    "langgraph.checkpoint.postgres": "langgraph-checkpoint-postgres",
    "langgraph.checkpoint.sqlite": "langgraph-checkpoint-sqlite",
    "langgraph.graph": "langgraph",
    "mcp_persist": "mcp-persist",
    "psycopg": "'psycopg[binary]'",
    "sqlalchemy": "'sqlalchemy[asyncio]'",
}
"""What pip installs for a module that has another name."""


class PeerNotInstalled(Picklable, ImportError):
    """A peer is known, but its package is not installed."""

    def __init__(self, package: str, needed_by: str | None = None) -> None:
        what = package if needed_by in (None, package) else f"{package}, which {needed_by} needs,"
        super().__init__(f"{what} is not installed: pip install 'sessionkeeper[{EXTRA}]'")
        self.package = package


def is_installed(module: str) -> bool:
    """Return whether a module could be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def pip_command(module: str) -> str:
    """Return the command that installs a module that a peer needs."""
    return f"pip install {_BROUGHT_BY.get(module, module)}"


def import_peer_module(module: str, package: str) -> ModuleType:
    """Import a module of a peer.

    By name and not by a statement: for a statement a type checker needs the package, and checking
    this project should not need eight of them.

    Raises:
        PeerNotInstalled: the package is not there.
    """
    if not is_installed(module):
        raise PeerNotInstalled(package)
    return import_module(module)
