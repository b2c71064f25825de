"""Designs that need a PostgreSQL server; they are compared only when a server is named.

Rule: each run makes a schema of its own and drops it, and nothing else on the server is touched.
Read `designs`, `schema`, `sessions`, `store`, `overtaking`, then `wrong/`, `right/` and `own`.
"""

from __future__ import annotations

from importlib.util import find_spec
from uuid import uuid4

from sessionkeeper.values.errors import BackendNotImplemented, StoreUnavailable

from ..catalogue import Design
from .address import read_address

__all__ = ["ON_POSTGRES", "PostgresDesigns"]

ON_POSTGRES = (
    "postgres",
    "select-for-update",
    "update-returning",
    "unique-and-retry",
    "serializable",
    "idempotency-key",
    "select-then-update",
    "max-plus-one",
    "serial-number",
    "commit-again",
    "conflict-do-nothing",
    "lock-in-one-statement",
    "listen-after-look",
    "serialization-ignored",
)
"""Names of the designs, the right ones first."""


class PostgresDesigns:
    """The designs of one comparison on one server; the names of all their schemas begin alike.

    Raises `ValueError` for anything but a `postgresql://` URL of one server, without showing it,
    and `BackendNotImplemented` without asyncpg.
    """

    def __init__(self, url: str, /) -> None:
        self._address = read_address(url)
        if find_spec("asyncpg") is None:
            raise BackendNotImplemented("postgres")
        self._prefix = f"compare_{uuid4().hex[:16]}_"

    def designs(self) -> tuple[Design, ...]:
        """Return the designs. This sends nothing; each run drops its own schema at its end."""
        from .designs import make_designs

        return make_designs(self._address, self._prefix)

    async def check_server(self) -> None:
        """Check that a schema can be made there. Raises `StoreUnavailable`."""
        from .client import FAILED, describe
        from .store import PooledStore

        try:
            async with PooledStore(self._address, schema=f"{self._prefix}0"):
                pass
        except FAILED as error:
            raise StoreUnavailable(f"{self._address.name}: {describe(error)}") from None

    def leave(self) -> None:
        """Drop the schemas of an interrupted run. Does nothing if the server cannot be reached."""
        from .client import drop_schemas

        drop_schemas(self._address, self._prefix)
