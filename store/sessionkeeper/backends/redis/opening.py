"""What a store on a server works with once it is open, and how that is put together."""

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
from .client.server_info import ServerInfo
from .client.servers import Servers
from .client.single_server import SingleServer
from .context import PlanContext
from .delivery.delivery import Delivery
from .delivery.replication import ReplicationRequirement
from .delivery.writer_log import WriterLog
from .keys import Keys
from .layout import Layout, agree
from .wakeups import RemoteWakeups

__all__ = ["Settings", "Resources", "open_backend"]

USUAL_ON_A_CLUSTER = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """How a store is to use its servers."""

    target: RedisAddress
    prefix: str
    buckets: int | None
    """None for as many as there are already, or as are usual."""
    patience: float
    """Seconds the servers may be away before callers are told so."""
    window: float
    """Seconds for which what became of a write can be asked."""
    ring: int
    """Writes of which it can be asked."""
    waits: ReplicationRequirement
    allow_eviction: bool
    must_exist: bool = False
    """Whether a store that is not there is refused instead of made."""
    ttl: int | None = None
    """Milliseconds after the last write to a session until the server frees it; None for what the
    store has already, or never."""

    def servers(self, keys: Keys) -> Servers:
        """Make the way to the servers that hold these keys."""
        if self.target.cluster:
            return ClusterServers(self.target, keys, allow_eviction=self.allow_eviction)
        return SingleServer(self.target, allow_eviction=self.allow_eviction)


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything of one open store."""

    servers: Servers
    server_info: ServerInfo
    plan_context: PlanContext
    writer_log: WriterLog
    new_delivery: Callable[[], Delivery]
    """Makes one for each task that delivers."""
    wakeups: RemoteWakeups

    async def aclose(self) -> None:
        """Let go of the connections, and tell who watches."""
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

    Together they take as long as a connection may take to be made, and patience; where there is
    none, as long as a server may be silent.
    """
    limit = settings.target.connect_timeout + (settings.patience or settings.target.timeout)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limit):
            return await _get_ready(settings, limits, clock, wakeups, listeners)
    except TimeoutError:
        waited = time.monotonic() - begun
        reason = f"{settings.target.name}: it did not answer in time"
        raise StoreUnavailable(reason, waited=waited) from None


async def _get_ready(
    settings: Settings,
    limits: StoreLimits,
    clock: Clock | None,
    wakeups: RemoteWakeups,
    listeners: Listeners,
) -> Resources:
    usual = USUAL_ON_A_CLUSTER if settings.target.cluster else 1
    keys = Keys(settings.prefix, usual if settings.buckets is None else settings.buckets)
    servers, server_info, layout = await _connect(settings, keys)
    try:
        if layout.buckets != len(keys.buckets):
            await servers.aclose()
            keys = Keys(settings.prefix, layout.buckets)
            servers, server_info, layout = await _connect(settings, keys)
        if layout.ttl is not None:
            _check(servers.name, server_info, clock, allow_eviction=settings.allow_eviction)
        writer_log = WriterLog(keys, ring=settings.ring, window=settings.window, ttl=layout.ttl)
        new_delivery = partial(
            Delivery,
            servers,
            writer_log,
            keys,
            layout,
            patience=settings.patience,
            silence=settings.target.timeout,
            waits=settings.waits,
        )
        await new_delivery().try_waiting(keys.buckets)
    except BaseException:
        await servers.aclose()
        raise
    plan_context = PlanContext(keys, limits, clock, wakeups, listeners, ttl=layout.ttl)
    wakeups.connect(servers, keys, writer_log.writer, ttl=layout.ttl)
    return Resources(servers, server_info, plan_context, writer_log, new_delivery, wakeups)


async def _connect(settings: Settings, keys: Keys) -> tuple[Servers, ServerInfo, Layout]:
    servers = settings.servers(keys)
    try:
        server_info = await servers.open()
        strict = settings.buckets is not None
        layout = await agree(
            servers, keys, strict=strict, ttl=settings.ttl, must_exist=settings.must_exist
        )
        return servers, server_info, layout
    except BaseException:
        await servers.aclose()
        raise


def _check(
    name: str, server_info: ServerInfo, clock: Clock | None, *, allow_eviction: bool
) -> None:
    """See that a store with a ttl can be used like this."""
    if clock is not None:
        raise ValueError("in a store with a ttl time is the server's: it takes no clock")
    # Of keys without a ttl these policies take none.
    if (
        server_info.maxmemory
        and server_info.eviction.startswith("volatile-")
        and not allow_eviction
    ):
        raise StoreUnavailable(
            f"{name}: maxmemory-policy {server_info.eviction} may drop sessions with a ttl when"
            " memory is full; set noeviction, or allow_eviction=True"
        )
