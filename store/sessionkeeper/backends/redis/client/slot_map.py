"""Which node of a cluster has which slot, asked of whoever answers first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ....values.errors import StoreUnavailable
from .call import Call, Refused
from .connection import Connection

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["SlotMap", "read_slot_map", "where"]

_AT_ONCE = 3


class SlotMap:
    """The cluster as one of its nodes sees it."""

    def __init__(self, asked: RedisAddress, ranges: Iterable[Sequence[Any]]) -> None:
        self._ranges: list[tuple[int, int, RedisAddress]] = []
        self.known: dict[str, RedisAddress] = {asked.name: asked}
        """Every node, replicas too, by `host:port`."""
        for first, last, primary, *replicas in ranges:
            self._ranges.append((first, last, self._node(asked, primary)))
            for replica in replicas:
                self._node(asked, replica)

    @property
    def primaries(self) -> dict[str, RedisAddress]:
        """The nodes that have slots, by `host:port`."""
        return {target.name: target for _, _, target in self._ranges}

    def owner(self, slot: int) -> RedisAddress | None:
        """The node that has a slot; None if no node has. O(ranges)."""
        return next((node for first, last, node in self._ranges if first <= slot <= last), None)

    def _node(self, asked: RedisAddress, words: Sequence[Any]) -> RedisAddress:
        # A node that does not know its own address says null or nothing: the one it was asked at.
        host = words[0].decode() if words[0] else asked.host
        target = asked.at(host, words[1])
        return self.known.setdefault(target.name, target)


async def read_slot_map(known: Iterable[RedisAddress]) -> SlotMap:
    """Ask the nodes, three at a time in random order; the first answer counts.

    On connections of their own: a node in trouble must not hold up the calls of others, nor this.
    Raises `StoreUnavailable` with a reason of one of them when none answers.
    """
    left = list(known)
    random.shuffle(left)
    reason = "no node of the cluster is known"
    asked: set[asyncio.Task[SlotMap]] = set()
    try:
        while left or asked:
            while left and len(asked) < _AT_ONCE:
                asked.add(asyncio.ensure_future(_ask(left.pop())))
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            found: SlotMap | None = None
            for task in done:
                try:
                    found = task.result()
                except StoreUnavailable as error:
                    reason = error.reason
            if found is not None:
                return found
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    raise StoreUnavailable(reason)


async def _ask(target: RedisAddress) -> SlotMap:
    link = await Connection.open(target)
    try:
        (answer,) = await link.exchange([Call(-1, ("CLUSTER", "SLOTS"))], 2 * link.silence)
    finally:
        await link.aclose()
    if isinstance(answer, Refused):
        if "cluster support disabled" in answer.text:
            raise StoreUnavailable(
                f"{target.name} has cluster-enabled no: use redis:// or rediss://"
            )
        raise StoreUnavailable(f"{target.name} refused CLUSTER SLOTS ({answer.code})")
    if not isinstance(answer, list):
        raise StoreUnavailable(f"{target.name}: {link.ended}")
    if not answer:
        raise StoreUnavailable(f"{target.name} knows of no node that has slots")
    return SlotMap(target, cast("list[list[Any]]", answer))


def where(refused: Refused, asked: RedisAddress) -> RedisAddress:
    """Read the node in `MOVED 3999 10.0.0.1:6381` or `ASK …`; no host means the one asked."""
    host, _, port = refused.text.split(" ")[2].rpartition(":")
    return asked.at(host or asked.host, int(port))
