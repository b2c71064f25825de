"""Designs that need a server, of whatever kind."""

from __future__ import annotations

from typing import Protocol

from .catalogue import Design
from .on_postgres import PostgresDesigns
from .on_redis import RedisDesigns

__all__ = ["ServerDesigns", "designs_on"]


class ServerDesigns(Protocol):
    """The designs of one comparison on one server, which they leave as it was."""

    def designs(self) -> tuple[Design, ...]:
        """Return the designs. This sends nothing; each run removes its own content at its end."""
        ...

    async def check_server(self) -> None:
        """Check that a store can be opened there. Raises `StoreUnavailable`."""
        ...

    def leave(self) -> None:
        """Remove what an interrupted run left. Does nothing if the server cannot be reached."""
        ...


def designs_on(url: str, /) -> tuple[Design, ...]:
    """Return the designs on the server of a `redis://` or `postgresql://` URL.

    Raises like `RedisDesigns` and `PostgresDesigns`.
    """
    of_postgres = url.lower().startswith(("postgresql:", "postgres:"))
    return (PostgresDesigns if of_postgres else RedisDesigns)(url).designs()
