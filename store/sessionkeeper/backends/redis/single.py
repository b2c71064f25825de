"""One server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from .call import Answer, Call, Refused
from .facts import Facts, read_facts
from .link import Link
from .node import Node
from .servers import Servers

if TYPE_CHECKING:
    from .target import RedisTarget

__all__ = ["SingleServer"]


class SingleServer(Servers):
    """Everything is on one node, which may have replicas nobody here speaks to."""

    def __init__(self, target: RedisTarget, *, allow_eviction: bool = False) -> None:
        self._target = target
        self._allow_eviction = allow_eviction
        self._node = Node(target, count(1).__next__)

    def __repr__(self) -> str:
        return f"<SingleServer {self._node}>"

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def trouble(self) -> str:
        return self._node.trouble

    async def open(self) -> Facts:
        self._target.warn()
        return await read_facts(self._node, allow_eviction=self._allow_eviction)

    async def aclose(self) -> None:
        await self._node.aclose()

    def generation(self, bucket: int) -> int:
        return self._node.generation

    async def link(self, bucket: int, *, patience: float) -> Link:
        return await Link.open(self._target, patience=patience)

    def doubt(self, bucket: int) -> None:
        return None

    async def _ask(self, calls: Sequence[Call], aside: Mapping[int, RedisTarget]) -> list[Answer]:
        answers = await self._node.send(calls).result()
        if any(type(answer) is Refused and answer.code == "READONLY" for answer in answers):
            # A replica by now. A new connection may lead to the primary: names and proxies follow.
            self._node.drop("the server has become a replica")
        return answers

    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Refused]
    ) -> Mapping[int, RedisTarget]:
        return {}
