"""What a store on a server works with once it is open, and how that is put together."""

from __future__ import annotations

from dataclasses import dataclass

from ...clock import Clock
from ...limits import StoreLimits
from ...listening import Listeners
from ...watching import Bells
from .delivery import Delivery
from .facts import Facts
from .layout import agree
from .ledger import Ledger
from .servers import Servers
from .setting import Setting

__all__ = ["Terms", "Works", "get_ready"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a store is to use its servers."""

    prefix: str
    buckets: int | None
    """None for as many as there are already, or as are usual."""
    patience: float
    """Seconds the servers may be away before callers are told so."""
    window: float
    """Seconds for which what became of a write can be asked."""
    ring: int
    """Writes of which it can be asked."""


@dataclass(frozen=True, slots=True)
class Works:
    """Everything of one open store."""

    servers: Servers
    facts: Facts
    setting: Setting
    ledger: Ledger
    delivery: Delivery

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self.servers.aclose()


async def get_ready(
    servers: Servers,
    terms: Terms,
    *,
    limits: StoreLimits,
    clock: Clock | None,
    bells: Bells,
    listeners: Listeners,
) -> Works:
    """Connect, read what the server promises, agree on the layout. Raises `StoreUnavailable`."""
    try:
        facts = await servers.open()
        usual = 64 if facts.cluster else 1
        keys = await agree(servers, terms.prefix, terms.buckets, usual=usual)
    except BaseException:
        await servers.aclose()
        raise
    setting = Setting(keys, limits, clock, bells, listeners)
    ledger = Ledger(keys, ring=terms.ring, window=terms.window)
    delivery = Delivery(servers, ledger, patience=terms.patience)
    return Works(servers, facts, setting, ledger, delivery)
