"""The nodes of a cluster: each bucket is on one, and may move to another at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from ....values.errors import StoreUnavailable
from ..keys import Keys
from .call import Answer, Call, DeliveryStatus, Refused
from .connection import Connection
from .node import Node
from .pipeline import Pipeline
from .refusals import misplaced
from .server_info import ServerInfo, read_server_info, weakest
from .servers import ANYWHERE, Servers
from .slot_map import SlotMap, read_slot_map, where

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["ClusterServers"]


class ClusterServers(Servers):
    """Knows where each bucket is, and looks again when a node says otherwise or nothing at all."""

    several = True

    def __init__(self, target: RedisAddress, keys: Keys, *, allow_eviction: bool = False) -> None:
        from redis.crc import key_slot

        self._target = target
        self._allow_eviction = allow_eviction
        self._slots = {bucket.number: key_slot(bucket.tag.encode()) for bucket in keys.buckets}
        self._slots[ANYWHERE] = key_slot(keys.layout.encode())
        self._number = count(1).__next__
        self._nodes: dict[str, Node] = {}
        self._owners: dict[int, Node] = {}
        """By bucket; none for a slot nobody has."""
        self._moves: dict[int, int] = {}
        """Number drawn when a bucket got another owner: from the same row as the connections'."""
        self._known: dict[str, RedisAddress] = {target.name: target}
        self._doubted: set[int] = set()
        """Buckets that may be elsewhere by now."""
        self._turn = asyncio.Lock()
        self._last_error = ""

    def __repr__(self) -> str:
        return f"<ClusterServers {self.name} nodes={len(self._nodes)}>"

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def last_error(self) -> str:
        troubles = (node.last_error for node in self._nodes.values())
        return next((last_error for last_error in troubles if last_error), self._last_error)

    async def open(self) -> ServerInfo:
        self._target.warn()
        slot_map = await self._look()
        server_info = [
            await read_server_info(self._node(target), allow_eviction=self._allow_eviction)
            for target in slot_map.primaries.values()
        ]
        return weakest(server_info)

    async def aclose(self) -> None:
        for node in list(self._nodes.values()):
            await node.aclose()

    def home(self, bucket: int) -> object:
        node = self._owners.get(bucket)
        return None if node is None else node.target.name

    def generation(self, bucket: int) -> int:
        node = self._owners.get(bucket)
        return max(self._moves.get(bucket, 0), node.generation if node is not None else 0)

    async def link(self, bucket: int, *, patience: float) -> Connection:
        await self._settled()
        node = self._owners.get(bucket)
        if node is None:
            raise StoreUnavailable(self._last_error)
        return await Connection.open(node.target, patience=patience)

    def invalidate(self, bucket: int) -> None:
        self._doubted.add(bucket)

    async def _ask(
        self, calls: Sequence[Call], aside: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        if not await self._know(calls, until):
            return [DeliveryStatus.NOT_SENT] * len(calls)
        groups: dict[Node, list[int]] = {}
        owners = self._owners
        for place, call in enumerate(calls):
            node = self._node(aside[place]) if place in aside else owners.get(call.bucket)
            if node is not None:
                groups.setdefault(node, []).append(place)
        answers: list[Answer] = [DeliveryStatus.NOT_SENT] * len(calls)
        batches: list[tuple[Pipeline, list[int]]] = []
        for node, places in groups.items():
            if aside:
                batches.append(_with_asking(node, calls, places, aside))
            else:
                batches.append((node.send([calls[place] for place in places]), places))
        try:
            for batch, _ in batches:
                await batch.wait(until)
        except BaseException:
            for batch, _ in batches:
                batch.abandon()
            raise
        for batch, places in batches:
            for place, answer in zip(places, batch.taken(), strict=True):
                # The answer to ASKING comes first, and the one to the call replaces it.
                answers[place] = answer
        self._note_doubts(calls, answers, [each for batch, _ in batches for each in batch.refusals])
        return answers

    def _note_doubts(
        self, calls: Sequence[Call], answers: Sequence[Answer], refusals: Sequence[Refused]
    ) -> None:
        every = any(map(misplaced, refusals))
        self._doubted.update(
            call.bucket
            for call, answer in zip(calls, answers, strict=True)
            if every or type(answer) is DeliveryStatus
        )

    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> dict[int, RedisAddress]:
        moved: dict[int, RedisAddress] = {}
        aside: dict[int, RedisAddress] = {}
        for place, (call, refused) in enumerate(zip(calls, refusals, strict=True)):
            if type(refused) is not Refused:
                continue  # what only reads, and comes after a call that was refused
            owner = self._owners.get(call.bucket)
            asked = self._target if owner is None else owner.target
            if refused.code == "MOVED":
                moved[call.bucket] = where(refused, asked)
            elif refused.code == "ASK":
                aside[place] = where(refused, asked)
        if moved:
            self._doubted.update(moved)
            await self._know(calls, until)
            # A node that answers first may be the last to hear of it.
            for bucket, target in moved.items():
                self._own(bucket, self._node(target))
        return aside

    async def _know(self, calls: Sequence[Call], until: float | None) -> bool:
        """Look where the buckets of calls are, if that is in doubt; say whether it was in time.

        Calls for other buckets go on meanwhile: the nodes that are asked may be silent.
        """
        doubted, owners = self._doubted, self._owners
        if not any(call.bucket in doubted or call.bucket not in owners for call in calls):
            return True
        doubted.update(call.bucket for call in calls if call.bucket not in owners)
        try:
            async with asyncio.timeout_at(until):
                await self._settled()
        except TimeoutError:
            self._last_error = f"{self.name}: no node said in time where the slots are"
            return False
        return True

    async def _settled(self) -> None:
        async with self._turn:
            if self._doubted:
                try:
                    await self._look()
                except StoreUnavailable as error:
                    self._last_error = error.reason

    async def _look(self) -> SlotMap:
        # What comes into doubt meanwhile stays so.
        doubted = set(self._doubted)
        slot_map = await read_slot_map(self._known.values())
        self._doubted -= doubted
        self._known = {self._target.name: self._target, **slot_map.known}
        for bucket, slot in self._slots.items():
            target = slot_map.owner(slot)
            if target is not None:
                self._own(bucket, self._node(target))
            elif self._owners.pop(bucket, None) is not None:
                self._last_error = f"{self.name}: no node has slot {slot}"
        needed = slot_map.primaries
        for name, node in list(self._nodes.items()):
            if name not in needed and not node.busy:
                del self._nodes[name]
                node.drop("it has no slots any more")
        return slot_map

    def _own(self, bucket: int, node: Node) -> None:
        if self._owners.get(bucket) is not node:
            self._owners[bucket] = node
            self._moves[bucket] = self._number()

    def _node(self, target: RedisAddress) -> Node:
        if target.name not in self._nodes:
            self._nodes[target.name] = Node(target, self._number)
        return self._nodes[target.name]


def _with_asking(
    node: Node, calls: Sequence[Call], places: Sequence[int], aside: Container[int]
) -> tuple[Pipeline, list[int]]:
    sent: list[Call] = []
    whose: list[int] = []
    for place in places:
        if place in aside:
            sent.append(Call(calls[place].bucket, ("ASKING",)))
            whose.append(place)
        sent.append(calls[place])
        whose.append(place)
    return node.send(sent), whose
