"""The actor on Redis with temporary keys: it deletes them when it is closed."""

from __future__ import annotations

from typing import Self

from sessionkeeper.backends.redis.keys import Bucket, Keys
from sessionkeeper.stores.redis import RedisSessionStore
from sessionkeeper.values.limits import StoreLimits

from ..faulty_proxy import FaultyProxy
from .client import make_client, redirect

__all__ = ["TemporaryRedisStore"]


class TemporaryRedisStore(RedisSessionStore):
    """A task owns the connection; each operation is a script on the server."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        proxy: FaultyProxy | None = None,
        limits: StoreLimits | None = None,
    ) -> None:
        super().__init__(
            url if proxy is None else redirect(url, proxy.port), prefix=prefix, limits=limits
        )
        self._url = url
        self._proxy = proxy

    async def open(self) -> Self:
        """Open the store, then enable the faults of the proxy."""
        proxy = self._proxy
        if proxy is None:
            await super().open()
            return self
        await proxy.open()
        try:
            await super().open()
        except BaseException:
            await proxy.aclose()
            raise
        proxy.enable_faults()
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Close the store and delete all its keys."""
        was_open = self.is_open
        await super().aclose(timeout=timeout)
        if self._proxy is not None:
            await self._proxy.aclose()
        if was_open:
            resources = self._runner.resources
            await _delete_keys(self._url, resources.plan_context.keys, resources.writer_log.writer)


async def _delete_keys(url: str, keys: Keys, writer: str) -> None:
    # By name, not by a scan: the server may have millions of other keys.
    client = make_client(url)
    try:
        bucket = keys.buckets[0]
        ids = [each.decode() for each in await client.zrange(bucket.order, 0, -1)]
        names = [keys.layout, *_own(bucket), bucket.writer + writer]
        names += [start + each for each in ids for start in (bucket.session, bucket.log)]
        await client.unlink(*names)
    finally:
        await client.aclose()


def _own(bucket: Bucket) -> tuple[str, ...]:
    return (
        bucket.meta,
        bucket.order,
        bucket.idle,
        bucket.ages,
        bucket.ended,
        bucket.principals,
        bucket.changes,
    )
