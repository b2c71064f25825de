"""The store of this project on PostgreSQL, in a schema that it drops when it is closed."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionkeeper.values.limits import StoreLimits

from ..faulty_proxy import FaultyProxy
from .address import ServerAddress, write_url
from .client import connect

__all__ = ["TemporaryPostgresStore"]


class TemporaryPostgresStore(PostgresSessionStore):
    """A task owns two connections; a batch is a transaction."""

    def __init__(
        self,
        address: ServerAddress,
        *,
        schema: str,
        proxy: FaultyProxy,
        limits: StoreLimits | None = None,
    ) -> None:
        super().__init__(write_url(address, schema=schema, port=proxy.port), limits=limits)
        self._lab_server, self._lab_schema, self._lab_proxy = address, schema, proxy

    async def open(self) -> Self:
        """Open the store, then enable the faults of the proxy."""
        await self._lab_proxy.open()
        try:
            await super().open()
        except BaseException:
            await self._lab_proxy.aclose()
            with suppress(Exception):  # there may be no server
                await self._drop_schema()  # a run that takes too long is cancelled at any moment
            raise
        self._lab_proxy.enable_faults()
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Close the store and drop its schema."""
        was_open = self.is_open
        try:
            await super().aclose(timeout=timeout)
        finally:
            await self._lab_proxy.aclose()
            if was_open:
                await self._drop_schema()

    async def _drop_schema(self) -> None:
        connection = await connect(self._lab_server)
        try:
            await connection.execute(f"DROP SCHEMA IF EXISTS {self._lab_schema} CASCADE")
        finally:
            await connection.close()
