"""The nodes of a cluster. Each bucket is on one node, and may move to another at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from ....values.errors import StoreUnavailable
from .call import Answer, Call, DeliveryStatus, Refused
from .connection import Connection
from .eviction import EvictionRule, EvictionWatch
from .node import Node
from .pipeline import Pipeline
from .refusals import is_misplaced
from .server_info import ServerInfo, read_server_info, weakest, with_memory
from .servers import Servers
from .slot_map import SlotMap, read_slot_map, redirect_target

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["ClusterServers"]


class ClusterServers(Servers):
    """Knows the node of each bucket; reads the slot map again if a node disagrees or is silent."""

    several = True

    def __init__(
        self, address: RedisAddress, slots: Mapping[int, int], *, allow_eviction: bool = False
    ) -> None:
        super().__init__(EvictionRule(allowed=allow_eviction))
        self._address = address
        self._slots = slots
        """By bucket, `ANYWHERE` included: the slot of all its keys."""
        self._number = count(1).__next__
        self._nodes: dict[str, Node] = {}
        self._owners: dict[int, Node] = {}
        """By bucket; absent for a slot that no node has."""
        self._moves: dict[int, int] = {}
        """By bucket: the number of its last move, from the sequence that numbers connections."""
        self._known: dict[str, RedisAddress] = {address.name: address}
        self._stale: set[int] = set()
        """Buckets that may be on another node by now."""
        self._reading = asyncio.Lock()
        self._last_error = ""

    def __repr__(self) -> str:
        return f"<ClusterServers {self.name} nodes={len(self._nodes)}>"

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def last_error(self) -> str:
        errors = (node.last_error for node in self._nodes.values())
        return next((last_error for last_error in errors if last_error), self._last_error)

    async def open(self) -> ServerInfo:
        self._address.warn()
        slot_map = await self._read_slot_map()
        server_info = [
            await read_server_info(self._node(address), self.rule)
            for address in slot_map.primaries.values()
        ]
        self._info = weakest(server_info)
        return self.server_info

    def eviction(self, bucket: int) -> EvictionWatch | None:
        node = self._owners.get(bucket)
        return None if node is None else node.eviction

    @property
    def server_info(self) -> ServerInfo:
        memory = [node.eviction.memory for node in self._nodes.values()]
        return with_memory(self._info, self.rule, memory)

    async def aclose(self) -> None:
        for node in list(self._nodes.values()):
            await node.aclose()

    def find_node(self, bucket: int) -> object:
        node = self._owners.get(bucket)
        return None if node is None else node.address.name

    def is_located(self, bucket: int) -> bool:
        return bucket in self._owners and bucket not in self._stale

    def generation(self, bucket: int) -> int:
        node = self._owners.get(bucket)
        return max(self._moves.get(bucket, 0), node.generation if node is not None else 0)

    async def connect(self, bucket: int, *, patience: float) -> Connection:
        await self._refresh()
        node = self._owners.get(bucket)
        if node is None:
            raise StoreUnavailable(self._last_error)
        return await Connection.open(node.address, patience=patience)

    def invalidate(self, bucket: int) -> None:
        self._stale.add(bucket)

    def send(self, calls: Sequence[Call], until: float) -> Pipeline:
        node, owners = self._owners.get(calls[0].bucket), self._owners
        known = all(
            self.is_located(call.bucket) and owners.get(call.bucket) is node for call in calls
        )
        if node is not None and known:
            return node.send(calls, until)
        pipeline = Pipeline(calls)
        pipeline.settle()
        return pipeline

    def collect(self, calls: Sequence[Call], pipeline: Pipeline) -> list[Answer]:
        answers = pipeline.own_answers()
        self._note_stale(calls, answers, pipeline.refusals)
        return answers

    async def _send_once(
        self, calls: Sequence[Call], elsewhere: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        if not await self._locate(calls, until):
            return [DeliveryStatus.NOT_SENT] * len(calls)
        groups: dict[Node, list[int]] = {}
        owners = self._owners
        for place, call in enumerate(calls):
            node = self._node(elsewhere[place]) if place in elsewhere else owners.get(call.bucket)
            if node is not None:
                groups.setdefault(node, []).append(place)
        answers: list[Answer] = [DeliveryStatus.NOT_SENT] * len(calls)
        pipelines: list[tuple[Pipeline, list[int]]] = []
        for node, places in groups.items():
            if elsewhere:
                pipelines.append(_with_asking(node, calls, places, elsewhere, until))
            else:
                pipelines.append((node.send([calls[place] for place in places], until), places))
        try:
            for pipeline, _ in pipelines:
                await pipeline.waiter
        except BaseException:
            for pipeline, _ in pipelines:
                pipeline.abandon()
            raise
        for pipeline, places in pipelines:
            for place, answer in zip(places, pipeline.own_answers(), strict=True):
                # The answer to ASKING comes first, and the one to the call replaces it.
                answers[place] = answer
        self._note_stale(
            calls, answers, [each for pipeline, _ in pipelines for each in pipeline.refusals]
        )
        return answers

    def _note_stale(
        self, calls: Sequence[Call], answers: Sequence[Answer], refusals: Sequence[Refused]
    ) -> None:
        every = any(map(is_misplaced, refusals))
        self._stale.update(
            call.bucket
            for call, answer in zip(calls, answers, strict=True)
            if every or type(answer) is DeliveryStatus
        )

    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> dict[int, RedisAddress]:
        moved: dict[int, RedisAddress] = {}
        elsewhere: dict[int, RedisAddress] = {}
        for place, (call, refused) in enumerate(zip(calls, refusals, strict=True)):
            if type(refused) is not Refused:
                continue  # a read that follows a refused call
            owner = self._owners.get(call.bucket)
            asked = self._address if owner is None else owner.address
            if refused.code == "MOVED":
                moved[call.bucket] = redirect_target(refused, asked)
            elif refused.code == "ASK":
                elsewhere[place] = redirect_target(refused, asked)
        if moved:
            self._stale.update(moved)
            await self._locate(calls, until)
            # The node that answered first may not know of the move yet.
            for bucket, address in moved.items():
                self._assign(bucket, self._node(address))
        return elsewhere

    async def _locate(self, calls: Sequence[Call], until: float | None) -> bool:
        """Find the nodes of calls if they may have moved. Returns whether that was in time.

        Calls for other buckets go on meanwhile: the nodes that are asked may be silent.
        """
        stale, owners = self._stale, self._owners
        if not any(call.bucket in stale or call.bucket not in owners for call in calls):
            return True
        stale.update(call.bucket for call in calls if call.bucket not in owners)
        try:
            async with asyncio.timeout_at(until):
                await self._refresh()
        except TimeoutError:
            self._last_error = f"{self.name}: no node sent the slot map in time"
            return False
        return True

    async def _refresh(self) -> None:
        async with self._reading:
            if self._stale:
                try:
                    await self._read_slot_map()
                except StoreUnavailable as error:
                    self._last_error = error.reason

    async def _read_slot_map(self) -> SlotMap:
        # Buckets that become stale meanwhile stay so.
        stale = set(self._stale)
        slot_map = await read_slot_map(self._known.values())
        self._stale -= stale
        self._known = {self._address.name: self._address, **slot_map.known}
        for bucket, slot in self._slots.items():
            address = slot_map.owner(slot)
            if address is not None:
                self._assign(bucket, self._node(address))
            elif self._owners.pop(bucket, None) is not None:
                self._last_error = f"{self.name}: no node has slot {slot}"
        needed = slot_map.primaries
        for name, node in list(self._nodes.items()):
            if name not in needed and not node.busy:
                del self._nodes[name]
                node.drop("it no longer has slots")
        return slot_map

    def _assign(self, bucket: int, node: Node) -> None:
        if self._owners.get(bucket) is not node:
            self._owners[bucket] = node
            self._moves[bucket] = self._number()

    def _node(self, address: RedisAddress) -> Node:
        if address.name not in self._nodes:
            self._nodes[address.name] = Node(address, self._number, self.rule)
        return self._nodes[address.name]


def _with_asking(
    node: Node,
    calls: Sequence[Call],
    places: Sequence[int],
    elsewhere: Container[int],
    until: float | None,
) -> tuple[Pipeline, list[int]]:
    sent: list[Call] = []
    place_of_each: list[int] = []
    for place in places:
        if place in elsewhere:
            sent.append(Call(calls[place].bucket, ("ASKING",)))
            place_of_each.append(place)
        sent.append(calls[place])
        place_of_each.append(place)
    return node.send(sent, until), place_of_each
