"""What a store needs of its server or cluster, and the rounds until every call is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from .address import RedisAddress
from .call import Answer, Call
from .connection import Connection
from .refusals import resent
from .server_info import ServerInfo

__all__ = ["ANYWHERE", "Servers"]

ANYWHERE = -1
"""The bucket of calls for the node that holds the store's layout."""

_ROUNDS = 5


class Servers(ABC):
    """The one server, or the nodes of a cluster, that hold a store.

    Calls of a bucket are sent in the order they are given, also by exchanges that overlap. A call
    that is refused as `is_transient`, or was sent again because its bucket had moved, may take
    effect after calls that were given later.
    """

    several: ClassVar[bool] = False
    """Whether there may be more than one node."""

    @property
    @abstractmethod
    def name(self) -> str:
        """`host:port`, for errors."""

    @property
    @abstractmethod
    def last_error(self) -> str:
        """Why calls were lost or unsent, where that is known; never a secret."""

    @abstractmethod
    async def open(self) -> ServerInfo:
        """Connect, and read what the server promises. `StoreUnavailable` if that is not enough."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections. What was not answered is lost."""

    def home(self, bucket: int) -> object:
        """What stands for the node that has the bucket, as far as is known."""
        return None

    @abstractmethod
    def generation(self, bucket: int) -> int:
        """Number of the connection that carried the bucket last: a higher one whenever it is new.

        0 before the first. What was sent on an older connection and was lost may still be on its
        way to the server.
        """

    @abstractmethod
    async def link(self, bucket: int, *, patience: float) -> Connection:
        """Make a connection of its own to the node of a bucket, for reads that block `patience`.

        Raises `StoreUnavailable`. Who opens it closes it.
        """

    @abstractmethod
    def invalidate(self, bucket: int) -> None:
        """Look again where the bucket is before the next call for it."""

    async def exchange(self, calls: Sequence[Call], until: float | None = None) -> list[Answer]:
        """Send calls and return their answers in order: one pipeline a node, all at once.

        What the server answered, a `Refused`, or a `DeliveryStatus`. A call is sent a second time
        only if the server said that it did not run it (`NOSCRIPT`, `MOVED`, `ASK`), five times at
        most.
        So is what reads and came after such a call of its bucket, so that it reads after it.
        What is not answered `until` that moment of the loop is given up.
        Raises nothing but `TypeError` for words that cannot be sent; a cancellation closes the
        connections whose answers are outstanding.
        """
        answers = await self._ask(calls, {}, until)
        for _ in range(_ROUNDS):
            again = _again(calls, answers)
            if not again:
                break
            refused = [calls[place] for place in again]
            aside = await self._redirect(refused, [answers[place] for place in again], until)
            redone = await self._ask(refused, aside, until)
            for place, answer in zip(again, redone, strict=True):
                answers[place] = answer
        return answers

    @abstractmethod
    async def _ask(
        self, calls: Sequence[Call], aside: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        """Send each call once. `aside` says which, by place, go to another node this once."""

    @abstractmethod
    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> Mapping[int, RedisAddress]:
        """Learn from `MOVED`; return where the `ASK`s sent their calls, by place."""


def _again(calls: Sequence[Call], answers: Sequence[Answer]) -> list[int]:
    """Return the places of the calls that are to be sent again."""
    again: list[int] = []
    buckets: set[int] = set()
    for place, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        if resent(answer):
            buckets.add(call.bucket)
            again.append(place)
        elif call.reads and call.bucket in buckets:
            again.append(place)
    return again
