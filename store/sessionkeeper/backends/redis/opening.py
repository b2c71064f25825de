"""Opens a store on a server, and holds the resources of an open store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ...interface.listeners import Listeners
from ...values.clock import Clock
from ...values.errors import StoreUnavailable
from ...values.limits import StoreLimits
from .client.address import RedisAddress
from .client.cluster import ClusterServers
from .client.eviction import MemoryPolicy
from .client.servers import Servers
from .client.single_server import SingleServer
from .context import PlanContext
from .delivery.delivery import Delivery
from .delivery.replication import ReplicationRequirement
from .delivery.writer_log import WriterLog
from .keys import Keys
from .layout import Layout, agree
from .wakeups import RemoteWakeups

__all__ = ["Resources", "Settings", "open_backend"]

DEFAULT_CLUSTER_BUCKETS = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """How a store uses its servers."""

    address: RedisAddress
    prefix: str
    buckets: int | None
    """None for the number the store has, or for the default."""
    patience: float
    """Seconds that a caller waits for servers that are away."""
    window: float
    """Seconds for which the outcome of a write can be looked up."""
    ring: int
    """Number of writes whose outcome can be looked up."""
    replication: ReplicationRequirement
    allow_eviction: bool
    must_exist: bool = False
    """Whether opening fails if the store does not exist, instead of making it."""
    ttl: int | None = None
    """Milliseconds from the last write to a session until the server frees it; None for the ttl the
    store has, or for none."""

    def servers(self, keys: Keys) -> Servers:
        """Make the client of the servers that hold these keys."""
        if self.address.cluster:
            return ClusterServers(self.address, keys.slots(), allow_eviction=self.allow_eviction)
        return SingleServer(self.address, allow_eviction=self.allow_eviction)


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that belongs to one open store."""

    servers: Servers
    plan_context: PlanContext
    writer_log: WriterLog
    new_delivery: Callable[[], Delivery]
    """Makes a delivery for each task that needs one."""
    wakeups: RemoteWakeups

    async def aclose(self) -> None:
        """Close the connections, and wake all watchers."""
        await self.wakeups.aclose()
        await self.servers.aclose()


async def open_backend(
    settings: Settings,
    *,
    limits: StoreLimits,
    clock: Clock | None,
    wakeups: RemoteWakeups,
    listeners: Listeners,
) -> Resources:
    """Connect, read what the server promises, agree on the layout. Raises `StoreUnavailable`.

    All of it takes at most the time to make a connection plus patience. Without patience it is the
    time that a server may be silent instead.
    """
    limit = settings.address.connect_timeout + (settings.patience or settings.address.timeout)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limit):
            return await _open(settings, limits, clock, wakeups, listeners)
    except TimeoutError:
        waited = time.monotonic() - begun
        reason = f"{settings.address.name}: it did not answer in time"
        raise StoreUnavailable(reason, waited=waited) from None


async def _open(
    settings: Settings,
    limits: StoreLimits,
    clock: Clock | None,
    wakeups: RemoteWakeups,
    listeners: Listeners,
) -> Resources:
    default = DEFAULT_CLUSTER_BUCKETS if settings.address.cluster else 1
    keys = Keys(settings.prefix, default if settings.buckets is None else settings.buckets)
    servers, layout = await _connect(settings, keys)
    try:
        if layout.buckets != len(keys.buckets):
            await servers.aclose()
            keys = Keys(settings.prefix, layout.buckets)
            servers, layout = await _connect(settings, keys)
        if layout.ttl is not None:
            _check_ttl(servers, clock)
        writer_log = WriterLog(keys, ring=settings.ring, window=settings.window, ttl=layout.ttl)
        new_delivery = partial(
            Delivery,
            servers,
            writer_log,
            keys,
            layout,
            patience=settings.patience,
            silence=settings.address.timeout,
            replication=settings.replication,
        )
        await new_delivery().check_replication(keys.buckets)
    except BaseException:
        await servers.aclose()
        raise
    name = servers.name
    plan_context = PlanContext(keys, limits, clock, wakeups, listeners, name, ttl=layout.ttl)
    wakeups.connect(servers, keys, writer_log.writer, ttl=layout.ttl)
    return Resources(servers, plan_context, writer_log, new_delivery, wakeups)


async def _connect(settings: Settings, keys: Keys) -> tuple[Servers, Layout]:
    servers = settings.servers(keys)
    try:
        await servers.open()
        strict = settings.buckets is not None
        layout = await agree(
            servers, keys, strict=strict, ttl=settings.ttl, must_exist=settings.must_exist
        )
        return servers, layout
    except BaseException:
        await servers.aclose()
        raise


def _check_ttl(servers: Servers, clock: Clock | None) -> None:
    """Check that a store with a ttl can be used with these settings."""
    if clock is not None:
        raise ValueError("a store with a ttl uses the server's time and takes no clock")
    # These policies only evict keys with a ttl.
    servers.rule.policies += ("volatile-",)
    server_info = servers.server_info
    memory = MemoryPolicy(server_info.maxmemory, server_info.eviction)
    if refusal := servers.rule.refusal(memory):
        raise StoreUnavailable(f"{servers.name}: {refusal}")
