"""One server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from .call import Answer, Call, DeliveryStatus, Refused
from .connection import Connection
from .node import Node
from .refusals import leaves, reason_of
from .server_info import ServerInfo, read_server_info
from .servers import Servers

if TYPE_CHECKING:
    from .address import RedisAddress

__all__ = ["SingleServer"]


_ROLE = Call(0, ("HELLO",))
_ROLE_HOLDS = 1.0
"""Seconds for which a server is taken for the primary it said it was."""
_REPLICA = Refused("READONLY", "READONLY")


class SingleServer(Servers):
    """Everything is on one node, which may have replicas nobody here speaks to."""

    def __init__(self, target: RedisAddress, *, allow_eviction: bool = False) -> None:
        self._target = target
        self._allow_eviction = allow_eviction
        self._node = Node(target, count(1).__next__)
        self._generation: int = 0
        self._ask_role_at = 0.0
        """When the server is asked again whether it is a replica: at once on a new connection."""

    def __repr__(self) -> str:
        return f"<SingleServer {self._node}>"

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def last_error(self) -> str:
        return self._node.last_error

    async def open(self) -> ServerInfo:
        self._target.warn()
        return await read_server_info(self._node, allow_eviction=self._allow_eviction)

    async def aclose(self) -> None:
        await self._node.aclose()

    def generation(self, bucket: int) -> int:
        return self._node.generation

    async def link(self, bucket: int, *, patience: float) -> Connection:
        return await Connection.open(self._target, patience=patience)

    def invalidate(self, bucket: int) -> None:
        self._ask_role_at = 0.0

    async def _ask(
        self, calls: Sequence[Call], aside: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        # A replica answers reads, and says nothing of what it is: now and then it is asked.
        requests = time.monotonic() >= self._ask_role_at
        batch = self._node.send([*calls, _ROLE] if requests else calls)
        answers = await batch.result(until)
        unfit = next(filter(leaves, batch.refusals), None)
        if requests and _is_replica(answers.pop()):
            unfit = unfit or _REPLICA
            # What it reads may be of long ago: that is asked for where a new connection leads.
            answers = [
                _REPLICA if call.reads and type(answer) not in (Refused, DeliveryStatus) else answer
                for call, answer in zip(calls, answers, strict=True)
            ]
        if unfit is not None:
            self._node.drop(f"it {reason_of(unfit)}")
        if self._node.generation != self._generation or unfit is not None:
            self._generation, self._ask_role_at = self._node.generation, 0.0
        elif requests:
            self._ask_role_at = time.monotonic() + _ROLE_HOLDS
        return answers

    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> Mapping[int, RedisAddress]:
        return {}


def _is_replica(answer: Answer) -> bool:
    said: Any = answer
    return type(answer) is dict and said.get(b"role", b"master") != b"master"
