"""The store on a Redis or Valkey server: scripts there apply the rules, a batch is a pipeline."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from functools import partial
from typing import ClassVar, Self, TypeVar

from soleowner import Actor, Command

from ..backends.redis.client.address import RedisAddress
from ..backends.redis.client.server_info import ServerInfo
from ..backends.redis.delivery.replication import ReplicationRequirement
from ..backends.redis.keys import MAX_BUCKETS
from ..backends.redis.opening import Settings, open_backend
from ..backends.redis.plans.resolve import Resolve
from ..backends.redis.runner import RedisRunner
from ..backends.redis.wakeups import RemoteWakeups
from ..interface.arguments import checked_count, checked_seconds
from ..interface.listeners import Listeners
from ..operations.tables import Tables
from ..values.clock import Clock
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.limits import LONGEST_TTL, StoreLimits
from ..values.statistics import ServerStatistics
from .owner_backed import OwnerBackedStore, session_error

__all__ = ["RedisSessionStore"]

R = TypeVar("R")

# Characters that are literal in a pattern of an ACL and cannot end a hash tag.
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RedisSessionStore(OwnerBackedStore):
    """Every operation on a session is one linearizable step among all users of the server.

    Use it as `async with RedisSessionStore("redis://localhost:6379") as store`. The settings of the
    server decide what an acknowledged write survives: see `server_info`. `patience` is how many
    seconds a server may be away before an operation raises `StoreUnavailable`, or `OutcomeUnknown`
    if it may have been applied; `resolve` finds out which. A `change` runs on the event loop, may
    run more than once, and may see slightly older values in the fields that the store sets.

    `ttl` complements `expire_sessions` and `purge_sessions`, for sessions that no process sweeps
    any more: the server frees a session this many seconds after the last write to it. It is fixed
    when the store is created; opening the store without a `ttl` keeps it.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.LINEARIZABLE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.SERVER,
        scope=Scope.CLUSTER,
    )

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "sessionkeeper",
        buckets: int | None = None,
        limits: StoreLimits | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        clock: Clock | None = None,
        patience: float = 5.0,
        window: float = 3600.0,
        wait_replicas: int = 0,
        wait_aof: bool = False,
        wait_timeout: float = 1.0,
        allow_eviction: bool = False,
        ttl: float | None = None,
        must_exist: bool = False,
    ) -> None:
        """Configure it. Raises `TypeError`, `ValueError`, `BackendNotImplemented`."""
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise ValueError("a prefix is 1 to 64 of A-Z a-z 0-9 _ . -")
        if buckets is not None:
            checked_count("buckets", buckets, minimum=1, maximum=MAX_BUCKETS)
        address = RedisAddress.of(url)
        limits = StoreLimits() if limits is None else limits
        if not isinstance(limits, StoreLimits) or not isinstance(clock, Clock | None):
            raise TypeError("limits are StoreLimits, and a clock is a Clock")
        span = checked_seconds("ttl", ttl)
        if span is not None and not 0.001 <= span <= LONGEST_TTL:
            raise ValueError("a ttl is between a millisecond and ten years")
        if span is not None and clock is not None:
            raise ValueError("a store with a ttl uses the server's time: no clock can be given")
        wakeups, listeners = RemoteWakeups(), Listeners()
        checked_count("wait_replicas", wait_replicas, minimum=0)
        self._replication = ReplicationRequirement(
            wait_replicas,
            wait_aof,
            timeout=checked_seconds("wait_timeout", wait_timeout) or 0.0,
        )
        if not self._replication.timeout <= 86_400:
            raise ValueError("a wait_timeout is at most a day")
        if self._replication.command() is not None:
            # A server that waits for replicas is silent meanwhile.
            address.timeout += self._replication.timeout
        settings = Settings(
            address,
            prefix,
            buckets,
            patience=checked_seconds("patience", patience) or 0.0,
            window=checked_seconds("window", window) or 1.0,
            ring=2 * capacity,
            replication=self._replication,
            allow_eviction=allow_eviction,
            must_exist=must_exist,
            ttl=None if span is None else round(span * 1000),
        )
        ready = partial(
            open_backend,
            settings,
            limits=limits,
            clock=clock,
            wakeups=wakeups,
            listeners=listeners,
        )
        self._runner = RedisRunner(ready, capacity=capacity)
        actor: Actor[Tables] = Actor(
            self._runner,
            name="sessionkeeper owner",
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=session_error,
        )
        super().__init__(actor, wakeups=wakeups, listeners=listeners)
        self._run = self._ask

    def _ask(self, command: Command[Tables, R], /) -> asyncio.Future[R]:
        reply = self._actor.ask(command)
        self._runner.arrived(reply)
        return reply

    async def open(self) -> Self:
        """Connect, check the server, and start the owner. Raises `StoreUnavailable`.

        A store that does not exist is created, unless `must_exist`: then nothing is written.
        """
        await super().open()
        if len(self._runner.resources.plan_context.keys.buckets) > 1:
            # Per store object: across buckets no operation is one step.
            self.guarantees = replace(  # type: ignore[misc]  # as above
                type(self).guarantees,
                batch=Atomicity.NONE,
                listing=Atomicity.NONE,
                one_counter=False,
            )
        return self

    @property
    def server_info(self) -> ServerInfo:
        """The server's promises at opening, and its current eviction policy.

        Raises `RuntimeError` before opening.
        """
        return self._runner.resources.servers.server_info

    async def resolve(self, operation_id: str, /) -> bool:
        """Find out whether the operation of an `OutcomeUnknown` was applied, once and for all.

        False means that it was not and never will be. Raises `OutcomeUnknown` again when that is no
        longer known, because it was too long ago or the server lost its data; `ValueError` for an
        id that no store has given; `StoreUnavailable`. Atomic. Any process can call it.
        """
        if not isinstance(operation_id, str):
            raise TypeError("an operation's id is a str")
        return await self._run(Resolve(operation_id))

    def _server(self) -> ServerStatistics:
        resources = self._runner.resources
        server_info = resources.servers.server_info
        return ServerStatistics(
            product=server_info.product,
            version=server_info.version,
            cluster=server_info.cluster,
            buckets=len(resources.plan_context.keys.buckets),
            replicas=server_info.replicas,
            acknowledged=self._replication.promise,
            durability=server_info.durability,
            maxmemory=server_info.maxmemory,
            eviction=server_info.eviction,
            warnings=server_info.warnings,
            ttl=None if resources.plan_context.ttl is None else resources.plan_context.ttl / 1000,
        )
