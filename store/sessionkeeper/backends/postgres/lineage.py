"""Which server has the latest history, so that one that was replaced is not used again.

A standby that is promoted begins a timeline with a higher number. If the old primary comes back
without having been told, its clients would write there what nobody finds, and read what is old.
"""

from __future__ import annotations

from typing import Any

from .driver import asyncpg
from .errors import WrongServer

__all__ = ["Lineage"]

# The name of a file of the log begins with the timeline, 8 digits of base 16.
_QUERY = (
    "SELECT (SELECT system_identifier FROM pg_control_system()),"
    " pg_walfile_name(pg_current_wal_lsn())"
)


class Lineage:
    """The latest timeline of each database cluster that a store has used."""

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}

    async def check(self, connection: asyncpg.Connection[Any]) -> None:
        """Note the server's timeline. Raises `WrongServer` for one that is older than one before.

        A server that does not tell its timeline passes.
        """
        try:
            found = await connection.fetchrow(_QUERY)
        except asyncpg.PostgresError as error:
            # It is no PostgreSQL of its own, or its administrator took the right away.
            if str(error.sqlstate)[:2] in ("0A", "42"):
                return
            raise
        if found is None or not all(found):
            return
        cluster, timeline = found[0], int(found[1][:8], 16)
        latest = self._latest.get(cluster, 0)
        if timeline < latest:
            raise WrongServer(
                f"the server was replaced by another one: its timeline is {timeline}, and this"
                f" store has used {latest}; open a new store to use it all the same",
                lasting=False,
            )
        self._latest[cluster] = timeline
