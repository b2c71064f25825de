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
from .client.address import RedisTarget
from .client.cluster import ClusterServers
from .client.server_info import Facts
from .client.servers import Servers
from .client.single_server import SingleServer
from .context import Setting
from .delivery.delivery import Delivery
from .delivery.replication import Waits
from .delivery.writer_log import Ledger
from .keys import Keys
from .layout import Layout, agree
from .wakeups import HeedingBells

__all__ = ["Terms", "Works", "get_ready"]

USUAL_ON_A_CLUSTER = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """How a store is to use its servers."""

    target: RedisTarget
    prefix: str
    buckets: int | None
    """None for as many as there are already, or as are usual."""
    patience: float
    """Seconds the servers may be away before callers are told so."""
    window: float
    """Seconds for which what became of a write can be asked."""
    ring: int
    """Writes of which it can be asked."""
    waits: Waits
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
class Works:
    """Everything of one open store."""

    servers: Servers
    facts: Facts
    setting: Setting
    ledger: Ledger
    new_delivery: Callable[[], Delivery]
    """Makes one for each task that delivers."""
    bells: HeedingBells

    async def aclose(self) -> None:
        """Let go of the connections, and tell who watches."""
        await self.bells.aclose()
        await self.servers.aclose()


async def get_ready(
    terms: Terms,
    *,
    limits: StoreLimits,
    clock: Clock | None,
    bells: HeedingBells,
    listeners: Listeners,
) -> Works:
    """Connect, read what the server promises, agree on the layout. Raises `StoreUnavailable`.

    Together they take as long as a connection may take to be made, and patience; where there is
    none, as long as a server may be silent.
    """
    limit = terms.target.connect_timeout + (terms.patience or terms.target.timeout)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limit):
            return await _get_ready(terms, limits, clock, bells, listeners)
    except TimeoutError:
        waited = time.monotonic() - begun
        reason = f"{terms.target.name}: it did not answer in time"
        raise StoreUnavailable(reason, waited=waited) from None


async def _get_ready(
    terms: Terms,
    limits: StoreLimits,
    clock: Clock | None,
    bells: HeedingBells,
    listeners: Listeners,
) -> Works:
    usual = USUAL_ON_A_CLUSTER if terms.target.cluster else 1
    keys = Keys(terms.prefix, usual if terms.buckets is None else terms.buckets)
    servers, facts, layout = await _connect(terms, keys)
    try:
        if layout.buckets != len(keys.buckets):
            await servers.aclose()
            keys = Keys(terms.prefix, layout.buckets)
            servers, facts, layout = await _connect(terms, keys)
        if layout.ttl is not None:
            _check(servers.name, facts, clock, allow_eviction=terms.allow_eviction)
        ledger = Ledger(keys, ring=terms.ring, window=terms.window, ttl=layout.ttl)
        new_delivery = partial(
            Delivery,
            servers,
            ledger,
            keys,
            layout,
            patience=terms.patience,
            silence=terms.target.timeout,
            waits=terms.waits,
        )
        await new_delivery().try_waiting(keys.buckets)
    except BaseException:
        await servers.aclose()
        raise
    setting = Setting(keys, limits, clock, bells, listeners, ttl=layout.ttl)
    bells.connect(servers, keys, ledger.writer, ttl=layout.ttl)
    return Works(servers, facts, setting, ledger, new_delivery, bells)


async def _connect(terms: Terms, keys: Keys) -> tuple[Servers, Facts, Layout]:
    servers = terms.servers(keys)
    try:
        facts = await servers.open()
        strict = terms.buckets is not None
        layout = await agree(
            servers, keys, strict=strict, ttl=terms.ttl, must_exist=terms.must_exist
        )
        return servers, facts, layout
    except BaseException:
        await servers.aclose()
        raise


def _check(name: str, facts: Facts, clock: Clock | None, *, allow_eviction: bool) -> None:
    """See that a store with a ttl can be used like this."""
    if clock is not None:
        raise ValueError("in a store with a ttl time is the server's: it takes no clock")
    # Of keys without a ttl these policies take none.
    if facts.maxmemory and facts.eviction.startswith("volatile-") and not allow_eviction:
        raise StoreUnavailable(
            f"{name}: maxmemory-policy {facts.eviction} may drop sessions with a ttl when memory"
            " is full; set noeviction, or allow_eviction=True"
        )
