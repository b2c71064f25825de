"""Asks sentinels which server is the primary now, each time a connection to it is made.

So a failover is followed as any lost connection is: the next one leads to the new primary. Nothing
is subscribed to and no connection to a sentinel is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, cast

from ....values.errors import StoreUnavailable
from .address import RedisAddress
from .call import Answer, Call, DeliveryStatus, Refused
from .connection import Connection

__all__ = ["find_primary", "open_connection"]

_SHARE = 0.5
"""The part of the time for a connection that the sentinels may take."""


class _Primary(NamedTuple):
    epoch: int
    """Grows with each failover that a sentinel knows of."""
    host: str
    port: int


async def open_connection(address: RedisAddress, *, patience: float = 0.0) -> Connection:
    """Connect to an address, or to the server that is the primary of its sentinels now.

    Raises as `Connection.open`.
    """
    if address.sentinels:
        address = await find_primary(address)
    return await Connection.open(address, patience=patience)


async def find_primary(address: RedisAddress) -> RedisAddress:
    """Return the address of the primary, as the sentinels of `address` know it.

    All are asked at once. When more than half of them have answered, the one that knows of the
    latest failover is believed: it needed more than half of them too. So a sentinel that is cut off
    misleads nobody. If fewer answer within half of the time to connect, one is enough. Raises
    `StoreUnavailable` with what each of them said.
    """
    asking = [asyncio.ensure_future(_ask(each, address.service)) for each in address.sentinels]
    try:
        found = await _first_answers(asking, address.connect_timeout * _SHARE)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    if not found:
        reasons = map(_reason, address.sentinels, asking)
        raise StoreUnavailable(f"{address.service}: {'; '.join(reasons)}")
    latest = max(found, key=lambda primary: primary.epoch)
    return address.at(latest.host, latest.port)


async def _first_answers(
    asking: Sequence[asyncio.Future[_Primary]], seconds: float
) -> list[_Primary]:
    found: list[_Primary] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for answer in asyncio.as_completed(asking):
                with suppress(StoreUnavailable):
                    found.append(await answer)
                if len(found) > len(asking) // 2:
                    break
    return found


async def _ask(sentinel: RedisAddress, service: str) -> _Primary:
    connection = await Connection.open(sentinel)
    try:
        address, details = await connection.exchange(
            [
                Call(0, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)),
                Call(0, ("SENTINEL", "MASTER", service)),
            ]
        )
        reason = connection.ended or "it did not answer"
    finally:
        connection.close()
    if isinstance(address, DeliveryStatus):
        raise StoreUnavailable(f"{sentinel.name}: {reason}")
    if isinstance(address, Refused):
        raise StoreUnavailable(f"{sentinel.name} {_refusal(address)}")
    if address is None:
        raise StoreUnavailable(f"{sentinel.name} knows no primary of this name")
    try:
        host, port = cast("tuple[bytes, bytes]", address)
        return _Primary(_epoch(details), host.decode(), int(port))
    except (ValueError, TypeError, AttributeError):
        raise StoreUnavailable(f"{sentinel.name} sent an answer that is none") from None


def _epoch(details: Answer) -> int:
    # A user may be allowed the first question only.
    if not isinstance(details, dict):
        return 0
    return int(cast("dict[bytes, bytes]", details).get(b"config-epoch", 0))


def _refusal(refused: Refused) -> str:
    if "unknown command" in refused.text:
        return "is no sentinel"
    if refused.code == "NOPERM":
        return "does not let this user run SENTINEL GET-MASTER-ADDR-BY-NAME (NOPERM)"
    return f"refused SENTINEL GET-MASTER-ADDR-BY-NAME ({refused.code})"


def _reason(sentinel: RedisAddress, task: asyncio.Future[_Primary]) -> str:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, StoreUnavailable):
        return error.reason
    return f"{sentinel.name}: it did not answer in time"
