"""What a store needs of its server or cluster, and the repetition of calls that did not run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from .address import RedisAddress
from .call import Answer, Call
from .connection import Connection
from .eviction import READ_MEMORY, EvictionRule, EvictionWatch
from .pipeline import Pipeline
from .refusals import is_not_run
from .server_info import ServerInfo

__all__ = ["ANYWHERE", "Servers"]

ANYWHERE = -1
"""The bucket number of calls for the node that holds the store's layout."""

_ATTEMPTS = 5


class Servers(ABC):
    """The one server, or the nodes of a cluster, that hold a store.

    Calls of a bucket are sent in the order they are given, also by exchanges that overlap. A call
    that is refused as `is_transient`, or that is sent again because its bucket moved, may take
    effect after calls that were given later.
    """

    several: ClassVar[bool] = False
    """Whether there may be more than one node."""

    def __init__(self, rule: EvictionRule) -> None:
        self.rule = rule
        """Which policies of a full server are refused."""

    @property
    @abstractmethod
    def name(self) -> str:
        """`host:port`, for errors."""

    @property
    @abstractmethod
    def last_error(self) -> str:
        """Why calls were lost or not sent, if that is known; never a secret."""

    @abstractmethod
    async def open(self) -> ServerInfo:
        """Connect, and read what the server is. Raises `StoreUnavailable` if it is not fit."""

    @property
    @abstractmethod
    def server_info(self) -> ServerInfo:
        """What `open` returned, with what was noticed since."""

    @abstractmethod
    def eviction(self, bucket: int) -> EvictionWatch | None:
        """Return what is known of the policy of the node that has the bucket."""

    def is_suspected(self, bucket: int) -> bool:
        """Whether the node of the bucket had a wrong policy when it was last read."""
        watch = self.eviction(bucket)
        return watch is not None and bool(watch.refusal)

    async def refusals(self, buckets: Iterable[int], until: float | None = None) -> dict[int, str]:
        """Return the buckets that nothing may be written to, and why, as it is now.

        The policy of a node is read every few seconds. Only where it is a wrong one, or was, it is
        read here: a store goes on as soon as the policy is set right.
        """
        suspected = [each for each in buckets if self.is_suspected(each)]
        if not suspected:
            return {}
        calls = [Call(each, READ_MEMORY, reads=True) for each in suspected]
        found: dict[int, str] = {}
        for bucket, answer in zip(suspected, await self.exchange(calls, until), strict=True):
            watch = self.eviction(bucket)
            if watch is not None:
                watch.note(answer)
                found[bucket] = watch.refusal
        return {bucket: refusal for bucket, refusal in found.items() if refusal}

    @abstractmethod
    def send(self, calls: Sequence[Call], until: float) -> Pipeline:
        """Send calls for one node now, once. What cannot go now is not sent.

        The order is that of `exchange`. When the pipeline's `waiter` is done, `collect` has the
        answers. Calls without an answer at the loop time `until` are given up.
        """

    @abstractmethod
    def collect(self, calls: Sequence[Call], pipeline: Pipeline) -> list[Answer]:
        """Return the answers to the calls of `send`, and learn from them. Called once for each."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections. Calls without an answer are lost."""

    def find_node(self, bucket: int) -> object:
        """Identify the node that has the bucket, as far as is known."""
        return None

    def is_located(self, bucket: int) -> bool:
        """Whether `send` needs not look first where the bucket is."""
        return True

    @abstractmethod
    def generation(self, bucket: int) -> int:
        """Return the number of the connection that carried the bucket last; 0 before the first.

        Each new connection has a higher number. What was sent on an older connection and was lost
        may still reach the server.
        """

    @abstractmethod
    async def connect(self, bucket: int, *, patience: float) -> Connection:
        """Open a separate connection to the node of a bucket, for reads that block `patience`.

        Raises `StoreUnavailable`. The caller closes it.
        """

    @abstractmethod
    def invalidate(self, bucket: int) -> None:
        """Find the node of the bucket again before the next call for it."""

    async def exchange(self, calls: Sequence[Call], until: float | None = None) -> list[Answer]:
        """Send calls, as one pipeline to each node, and return their answers in order.

        An answer is what the server sent, a `Refused`, or a `DeliveryStatus`. A call is sent again
        only if the server did not run it (`NOSCRIPT`, `MOVED`, `ASK`), at most five times. Reads
        that follow such a call of their bucket are sent again with it, to read after it. Calls
        without an answer at the loop time `until` are given up. A cancellation closes the
        connections whose answers are outstanding. Raises only `TypeError`, for arguments that
        cannot be sent.
        """
        answers = await self._send_once(calls, {}, until)
        for _ in range(_ATTEMPTS):
            again = _places_to_repeat(calls, answers)
            if not again:
                break
            refused = [calls[place] for place in again]
            elsewhere = await self._redirect(refused, [answers[place] for place in again], until)
            redone = await self._send_once(refused, elsewhere, until)
            for place, answer in zip(again, redone, strict=True):
                answers[place] = answer
        return answers

    @abstractmethod
    async def _send_once(
        self, calls: Sequence[Call], elsewhere: Mapping[int, RedisAddress], until: float | None
    ) -> list[Answer]:
        """Send each call once. Calls at the places in `elsewhere` go to another node this once."""

    @abstractmethod
    async def _redirect(
        self, calls: Sequence[Call], refusals: Sequence[Answer], until: float | None
    ) -> Mapping[int, RedisAddress]:
        """Learn from `MOVED`. Returns where each `ASK` sends its call, by place."""


def _places_to_repeat(calls: Sequence[Call], answers: Sequence[Answer]) -> list[int]:
    """Return the places of the calls that have to be sent again."""
    again: list[int] = []
    buckets: set[int] = set()
    for place, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        if is_not_run(answer):
            buckets.add(call.bucket)
            again.append(place)
        elif call.reads and call.bucket in buckets:
            again.append(place)
    return again
