"""A store in a PostgreSQL database, which may hold other data too."""

from __future__ import annotations

import re
from typing import ClassVar

from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.stores.config import PostgresBackend
from sessionkeeper.stores.factory import StorageFactory

from .store_subject import StoreSubject

__all__ = ["DatabaseSubject"]

_SECONDS = 60.0
"""To connect, and to wait for the locks of those who still read."""


class DatabaseSubject(StoreSubject):
    """A store in a schema of its own; `clear` drops it. Other schemas are never touched."""

    is_isolated: ClassVar[bool] = True

    def __init__(self, backend: PostgresBackend, /, *, place: str) -> None:
        """Take the name of the schema from `place`; the one in the URL may be in use."""
        url = backend.url.get_secret_value()
        self.schema = re.sub(r"[^a-z0-9_]", "_", f"bench_{place}".lower())[:63]
        head, _, query = url.partition("?")
        kept = [each for each in query.split("&") if each and not each.startswith("schema=")]
        own = f"{head}?{'&'.join([*kept, f'schema={self.schema}'])}"
        self._address = PostgresAddress.of(own)
        opened = PostgresBackend.model_validate({**dict(backend), "url": own})
        super().__init__(lambda: StorageFactory.create(opened))

    async def clear(self) -> None:
        """Drop the schema with all that is in it."""
        connection = await self._address.connect(timeout=_SECONDS, lock_timeout=_SECONDS)
        try:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        finally:
            await connection.close()
