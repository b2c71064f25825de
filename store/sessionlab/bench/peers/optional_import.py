"""Imports of packages that need not be there, and the one line said where they are not."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from sessionkeeper.values.picklable import Picklable

__all__ = ["EXTRA", "PeerNotInstalled", "is_installed", "import_peer_module"]

EXTRA = "perf-peers"


class PeerNotInstalled(Picklable, ImportError):
    """A peer is known, and its package is not there."""

    def __init__(self, package: str, needed_by: str | None = None) -> None:
        what = package if needed_by in (None, package) else f"{package}, which {needed_by} needs,"
        super().__init__(f"{what} is not installed: pip install 'sessionkeeper[{EXTRA}]'")
        self.package = package


def is_installed(module: str) -> bool:
    """Say whether a module could be imported, without importing what it names."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def import_peer_module(module: str, package: str) -> ModuleType:
    """Import a module of a peer.

    By name and not by a statement: a type checker that sees a statement asks for the package, and
    nobody should need eight of them to check ours.

    Raises:
        PeerNotInstalled: the package is not there.
    """
    if not is_installed(module):
        raise PeerNotInstalled(package)
    return import_module(module)
