"""A single server, with or without replicas."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from .call import Answer, Call, DeliveryStatus, Refused
from .connection import Connection
from .eviction import EvictionRule, EvictionWatch
from .node import Node
from .pipeline import Pipeline
from .refusals import describe_failure, needs_reconnect
from .sentinel import open_connection
from .server_info import ServerInfo, read_server_info, with_memory
from .servers import Servers

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["SingleServer"]


_ROLE = Call(0, ("HELLO",))
_ROLE_CHECK_INTERVAL = 1.0
"""Seconds between two checks that the server is still a primary."""
_REPLICA = Refused("READONLY", "READONLY")


class SingleServer(Servers):
    """All buckets are on one node. Its replicas are not used."""

    def __init__(self, address: RedisAddress, *, allow_eviction: bool = False) -> None:
        super().__init__(EvictionRule(allowed=allow_eviction))
        self._address = address
        self._node = Node(address, count(1).__next__, self.rule)
        self._generation: int = 0
        self._check_role_at = 0.0
        """When to check the role of the server again; a new connection is checked at once."""

    def __repr__(self) -> str:
        return f"<SingleServer {self._node}>"

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def last_error(self) -> str:
        return self._node.last_error

    async def open(self) -> ServerInfo:
        self._address.warn()
        self._info = await read_server_info(self._node, self.rule)
        return self.server_info

    def eviction(self, bucket: int) -> EvictionWatch:
        return self._node.eviction

    @property
    def server_info(self) -> ServerInfo:
        return with_memory(self._info, self.rule, [self._node.eviction.memory])

    async def aclose(self) -> None:
        await self._node.aclose()

    def generation(self, bucket: int) -> int:
        return self._node.generation

    async def connect(self, bucket: int, *, patience: float) -> Connection:
        return await open_connection(self._address, patience=patience)

    def invalidate(self, bucket: int) -> None:
        self._check_role_at = 0.0

    def send(self, calls: Sequence[Call], until: float | None) -> Pipeline:
        # A replica answers reads and does not say what it is, so its role is checked regularly.
        check_role = time.monotonic() >= self._check_role_at
        return self._node.send([*calls, _ROLE] if check_role else calls, until)

    def collect(self, calls: Sequence[Call], pipeline: Pipeline) -> list[Answer]:
        answers = pipeline.own_answers()
        check_role = len(answers) > len(calls)
        unusable = next(filter(needs_reconnect, pipeline.refusals), None)
        if check_role and _is_replica(answers.pop()):
            unusable = unusable or _REPLICA
            # Its data may be old: these reads are sent again on a new connection.
            answers = [
                _REPLICA if call.reads and type(answer) not in (Refused, DeliveryStatus) else answer
                for call, answer in zip(calls, answers, strict=True)
            ]
        if unusable is not None:
            self._node.drop(f"it {describe_failure(unusable)}")
        if self._node.generation != self._generation or unusable is not None:
            self._generation, self._check_role_at = self._node.generation, 0.0
        elif check_role:
            self._check_role_at = time.monotonic() + _ROLE_CHECK_INTERVAL
        return answers

    async def _send_once(
        self, calls: Sequence[Call], elsewhere: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        pipeline = self.send(calls, until)
        await pipeline.wait()
        return self.collect(calls, pipeline)

    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> Mapping[int, RedisAddress]:
        return {}


def _is_replica(answer: Answer) -> bool:
    fields: Any = answer
    return type(answer) is dict and fields.get(b"role", b"master") != b"master"
