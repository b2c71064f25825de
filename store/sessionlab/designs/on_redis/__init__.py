"""Designs that need a server: compared only where somebody names one, and redis-py is there."""

from __future__ import annotations

from uuid import uuid4

from sessionkeeper.backends.redis.client.address import RedisAddress

from ..catalogue import Design

__all__ = ["ON_REDIS", "RedisDesigns", "designs_on"]

ON_REDIS = ("redis", "get-then-set", "pipeline-without-script", "client-retries")
"""Their names, the right one first."""


class RedisDesigns:
    """A comparison's stay on a server: all its keys begin with one prefix that nobody else has.

    Raises `ValueError` for anything but a `redis://` URL, without showing it, and
    `BackendNotImplemented` without redis-py.
    """

    def __init__(self, url: str, /) -> None:
        target = RedisAddress.of(url)
        if target.tls or target.cluster:
            raise ValueError("designs are compared on one server that is spoken to by redis://")
        self._url = url
        self._prefix = f"compare-{uuid4().hex}"

    def designs(self) -> tuple[Design, ...]:
        """Return the designs. Nothing is sent yet; each run deletes its own keys when it ends."""
        from .designs import make_designs

        return make_designs(self._url, self._prefix)

    async def check_server(self) -> None:
        """See that a store can be opened there. Raises `StoreUnavailable`."""
        from .actor import TemporaryRedisStore

        async with TemporaryRedisStore(self._url, prefix=self._prefix):
            pass

    def leave(self) -> None:
        """Delete what a run that was interrupted left, in time proportional to the server's keys.

        A server that cannot be reached is left as it is.
        """
        from .client import delete_keys

        delete_keys(self._url, self._prefix)


def designs_on(url: str, /) -> tuple[Design, ...]:
    """Return the designs on the server of this URL. Raises as `RedisDesigns`."""
    return RedisDesigns(url).designs()
