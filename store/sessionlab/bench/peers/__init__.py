"""What one would use instead, behind the same few things; the extra is `perf-peers`.

Each adapter uses its library as that library's documentation does, and says what it does not do.
"""

from __future__ import annotations

from .log_peer import LogPeer
from .optional_import import PeerNotInstalled
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
]
