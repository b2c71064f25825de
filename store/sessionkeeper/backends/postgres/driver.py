"""asyncpg, if it is installed.

The modules of this package import it from here: then they can be imported without it, and
`PostgresAddress.of` says what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import asyncpg

    _Connection: TypeAlias = asyncpg.Connection[Any]
else:
    try:
        import asyncpg

        _Connection = asyncpg.Connection
    except ImportError:
        asyncpg, _Connection = None, object

__all__ = ["StoreConnection", "asyncpg"]


class StoreConnection(_Connection):
    """A connection of `PostgresAddress`."""

    address_name: str = ""
    """Hosts and ports, or a path."""
    address_warnings: tuple[str, ...] = ()
    """What about it is less safe than it could be."""
