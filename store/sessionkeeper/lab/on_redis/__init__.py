"""Designs that need a server: compared only where somebody names one, and redis-py is there."""

from __future__ import annotations

from ...backends.redis.target import RedisTarget
from ..catalogue import Design

__all__ = ["ON_REDIS", "designs_on", "see_server"]

ON_REDIS = ("redis", "get-then-set", "pipeline-without-script", "client-retries")
"""Their names, the right one first."""


def designs_on(url: str, /) -> tuple[Design, ...]:
    """Return the designs on the server of this URL. Nothing is sent to it yet.

    Each run has a prefix of its own, `compare-` and what chance makes of it, and deletes its keys
    when it ends. Raises `ValueError` for anything but a `redis://` URL, without showing it, and
    `BackendNotImplemented` without redis-py.
    """
    target = RedisTarget.of(url)
    if target.tls or target.cluster:
        raise ValueError("designs are compared on one server that is spoken to by redis://")
    from .designs import made_on

    return made_on(url)


async def see_server(url: str, /) -> None:
    """See that a store can be opened there, and leave nothing. Raises `StoreUnavailable`."""
    from .designs import straight

    async with straight(url):
        pass
