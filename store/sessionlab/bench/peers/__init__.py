"""What one would use instead, behind the same few things; the extra is `perf-peers`.

Each adapter uses its library as that library's documentation does, and says what it does not do.
"""

from __future__ import annotations

from .log_peer import LogPeer
from .optional_import import PeerNotInstalled
from .registry import PEERS, Peer, PeerNeeds, Place, UnknownPeer, known, peer
from .value_peer import StatePeer

__all__ = [
    "PEERS",
    "LogPeer",
    "Peer",
    "PeerNeeds",
    "PeerNotInstalled",
    "Place",
    "StatePeer",
    "UnknownPeer",
    "known",
    "peer",
]
