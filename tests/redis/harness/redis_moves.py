"""A slot on its way from one primary of a cluster to another, in steps that a test interleaves."""

from __future__ import annotations

from collections.abc import Sequence

from redis_server import RedisServer

__all__ = ["Move"]


class Move:
    """One slot. Call `begin`, `keys` until it gives 0, and `finish`; or `whole` for all of it."""

    def __init__(
        self, slot: int, source: RedisServer, target: RedisServer, primaries: Sequence[RedisServer]
    ) -> None:
        self.slot = slot
        self.source = source
        self.target = target
        self._others = [node for node in primaries if node not in (source, target)]

    def begin(self) -> None:
        """From now on the source answers ASK for keys of the slot that it has not."""
        source, target = (node.say("CLUSTER", "MYID") for node in (self.source, self.target))
        self.target.say("CLUSTER", "SETSLOT", self.slot, "IMPORTING", source)
        self.source.say("CLUSTER", "SETSLOT", self.slot, "MIGRATING", target)

    def keys(self, count: int = 1) -> int:
        """Move up to so many keys; how many there were to move."""
        keys = self.source.say("CLUSTER", "GETKEYSINSLOT", self.slot, count)
        if keys:
            there = ("127.0.0.1", self.target.port, "", 0, 20_000)
            self.source.say("MIGRATE", *there, "KEYS", *keys)
        return len(keys)

    def finish(self) -> None:
        """Hand the slot over; the source answers MOVED from now on."""
        target = self.target.say("CLUSTER", "MYID")
        # The new owner first: were the old one told first, nobody would have the slot if it failed.
        for node in (self.target, self.source, *self._others):
            node.say("CLUSTER", "SETSLOT", self.slot, "NODE", target)

    def abandon(self) -> None:
        """Leave the slot where it was; keys that were moved stay where nobody finds them."""
        for node in (self.source, self.target):
            node.say("CLUSTER", "SETSLOT", self.slot, "STABLE")

    def whole(self) -> None:
        """All steps."""
        self.begin()
        while self.keys(100):
            pass
        self.finish()
