"""Which node of a cluster has which slot, as the first node that answers says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ....values.errors import StoreUnavailable
from .call import Call, Refused
from .connection import Connection
from .refusals import error_for_slots, read_redirection

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["SlotMap", "read_slot_map", "redirect_target"]

_CONCURRENT = 3


class SlotMap:
    """The cluster as one of its nodes sees it."""

    def __init__(self, asked: RedisAddress, ranges: Iterable[Sequence[Any]]) -> None:
        self._ranges: list[tuple[int, int, RedisAddress]] = []
        self.known: dict[str, RedisAddress] = {asked.name: asked}
        """All nodes by `host:port`, replicas included."""
        for first, last, primary, *replicas in ranges:
            self._ranges.append((first, last, self._node(asked, primary)))
            for replica in replicas:
                self._node(asked, replica)

    @property
    def primaries(self) -> dict[str, RedisAddress]:
        """The nodes that have slots, by `host:port`."""
        return {address.name: address for _, _, address in self._ranges}

    def owner(self, slot: int) -> RedisAddress | None:
        """Return the node that has a slot; None if no node has it. O(ranges)."""
        return next((node for first, last, node in self._ranges if first <= slot <= last), None)

    def _node(self, asked: RedisAddress, described: Sequence[Any]) -> RedisAddress:
        encoded_host, port, *_ = described
        # A node that does not know its own address sends null or nothing: then we know it.
        host = encoded_host.decode() if encoded_host else asked.host
        address = asked.at(host, port)
        return self.known.setdefault(address.name, address)


async def read_slot_map(known: Iterable[RedisAddress]) -> SlotMap:
    """Ask the nodes, three at a time in random order. The first answer counts.

    Each has a connection of its own: a node that fails must not delay the calls of others.
    Raises `StoreUnavailable` with the reason of one of them if none answers.
    """
    left = list(known)
    random.shuffle(left)
    reason = "no node of the cluster is known"
    asked: set[asyncio.Task[SlotMap]] = set()
    try:
        while left or asked:
            while left and len(asked) < _CONCURRENT:
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


async def _ask(address: RedisAddress) -> SlotMap:
    connection = await Connection.open(address)
    try:
        (answer,) = await connection.exchange(
            [Call(-1, ("CLUSTER", "SLOTS"))], 2 * connection.silence
        )
    finally:
        await connection.aclose()
    if isinstance(answer, Refused):
        raise error_for_slots(address.name, answer)
    if not isinstance(answer, list):
        raise StoreUnavailable(f"{address.name}: {connection.ended}")
    if not answer:
        raise StoreUnavailable(f"{address.name} knows no node that has slots")
    return SlotMap(address, cast("list[list[Any]]", answer))


def redirect_target(refused: Refused, asked: RedisAddress) -> RedisAddress:
    """Return the node that a `MOVED` or `ASK` names; without a host it is the one asked."""
    host, port = read_redirection(refused)
    return asked.at(host or asked.host, port)
