"""Ports on loopback that stay ours while nobody listens on them."""

from __future__ import annotations

import random
import socket

__all__ = ["ReservedPort"]

# Below the ephemeral ports (from 32768 on Linux): a client that tries again and again to reach a
# server that is down would sooner or later be given the server's port, and be connected to itself.
_RANGE = range(20_000, 32_000)


class ReservedPort:
    """One port: bound but not listened on, so that a server can have it and no other test run.

    A socket may be bound to a port that another has, if both say SO_REUSEADDR (servers do) and the
    other does not listen. We bind without it: that fails for a port that anybody has.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        for number in random.SystemRandom().sample(_RANGE, 200):
            try:
                self._socket.bind(("127.0.0.1", number))
            except OSError:
                continue
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.number = number
            return
        self._socket.close()
        raise OSError("no port is free")

    def free(self) -> None:
        """Give it back."""
        self._socket.close()
