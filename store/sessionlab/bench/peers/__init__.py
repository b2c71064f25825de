"""Other packages as subjects of a benchmark; they need the extra `perf-peers`.

Rule: an adapter uses its library as the documentation of that library does, and names its
limitations. Read `registry`, `value_peer`, `log_peer`, then an adapter.
"""

from __future__ import annotations

from .log_peer import LogPeer
from .optional_import import PeerNotInstalled, pip_command
from .registry import PEERS, Peer, PeerNeedsPlace, PeerStorage, UnknownPeer, find_peer, peer_names
from .value_peer import ValuePeer

__all__ = [
    "PEERS",
    "LogPeer",
    "Peer",
    "PeerNeedsPlace",
    "PeerNotInstalled",
    "PeerStorage",
    "ValuePeer",
    "UnknownPeer",
    "peer_names",
    "find_peer",
    "pip_command",
]
