"""What a PostgreSQL server is and promises, read from it when a store is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...values.guarantees import Durability
from ...values.statistics import PostgresStatistics
from .driver import asyncpg

__all__ = ["ServerInfo", "read_server_info"]

_TIMEOUTS = (
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",  # of PostgreSQL 17
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",  # of PostgreSQL 14
)

_TIMEOUT_COLUMNS = ", ".join(
    f"(SELECT setting FROM pg_settings WHERE name = '{name}') AS {name}"  # noqa: S608 - our names
    for name in _TIMEOUTS
)
# A setting that this server does not have, or hides from the role, is null.
_QUERY = f"""SELECT
    current_setting('server_version') AS version,
    version() AS product,
    pg_is_in_recovery() AS in_recovery,
    pg_backend_pid() AS process,
    current_setting('transaction_read_only')::boolean AS read_only,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync')::boolean AS fsync,
    current_setting('full_page_writes')::boolean AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('synchronous_standby_names', true) AS standbys,
    current_setting('default_transaction_isolation') AS isolation,
    {_TIMEOUT_COLUMNS},
    (SELECT count(*) FROM pg_stat_replication) AS replicas,
    current_user AS role,
    COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server as it was when the store was opened."""

    product: str
    """The first word of what it says about itself: `PostgreSQL`."""
    version: str
    encoding: str
    process: int
    """The process of this connection on the server."""
    in_recovery: bool
    """Whether it is a standby."""
    read_only: bool
    """Whether its transactions are read-only unless they say otherwise."""
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    synchronous_standbys: str
    """`synchronous_standby_names`; empty for none."""
    replicas: int
    """Replicas that were connected then."""
    role: str
    isolation: str
    timeouts: dict[str, float | None]
    """Seconds of `lock_timeout` and its like; None for no limit, or where the server has none."""
    encrypted: bool
    address_warnings: tuple[str, ...] = ()
    """What about the connection is less safe than it could be."""

    @property
    def durability(self) -> Durability:
        """What an acknowledged write survives; weaker settings than usual promise less."""
        if self.synchronous_commit == "off":
            return Durability.SERVER
        return Durability.DISK if self.fsync and self.full_page_writes else Durability.OS

    @property
    def warnings(self) -> tuple[str, ...]:
        """Settings that are allowed and may still lose data, in sentences that name them."""
        return (*self.address_warnings, *_warnings(self))

    def statistics(self) -> PostgresStatistics:
        """Return what `StoreStatistics.server` shows."""
        return PostgresStatistics(
            product=self.product,
            version=self.version,
            acknowledged=_acknowledged(self),
            durability=_durability(self),
            fsync=self.fsync,
            full_page_writes=self.full_page_writes,
            synchronous_commit=self.synchronous_commit,
            synchronous_standbys=self.synchronous_standbys,
            replicas=self.replicas,
            in_recovery=self.in_recovery,
            role=self.role,
            encrypted=self.encrypted,
            isolation=self.isolation,
            timeouts=dict(self.timeouts),
            warnings=self.warnings,
        )


async def read_server_info(connection: asyncpg.Connection[Any]) -> ServerInfo:
    """Read what a server is, in one statement. Raises what asyncpg raises.

    It refuses nothing: `open_schema` does.
    """
    found = await connection.fetchrow(_QUERY)
    if found is None:
        raise RuntimeError("a query without FROM has a row")
    return ServerInfo(
        product=found["product"].partition(" ")[0],
        version=found["version"].partition(" ")[0],
        encoding=found["encoding"],
        process=found["process"],
        in_recovery=found["in_recovery"],
        read_only=found["read_only"],
        fsync=found["fsync"],
        full_page_writes=found["full_page_writes"],
        synchronous_commit=found["synchronous_commit"],
        synchronous_standbys=(found["standbys"] or "").strip(),
        replicas=found["replicas"],
        role=found["role"],
        isolation=found["isolation"],
        timeouts={name: _seconds(found[name]) for name in _TIMEOUTS},
        encrypted=found["encrypted"],
        address_warnings=getattr(connection, "address_warnings", ()),
    )


def _seconds(milliseconds: str | None) -> float | None:
    return int(milliseconds or 0) / 1000 or None


def _acknowledged(info: ServerInfo) -> str:
    commit, standbys = info.synchronous_commit, info.synchronous_standbys
    if commit == "off":
        return "the transaction was committed, and may not be written yet (synchronous_commit off)"
    here = "was flushed to the server's disk" if info.fsync else "was given to the server's system"
    if commit == "local" or not standbys:
        return f"the transaction {here}"
    there = {
        "remote_write": "received by the synchronous standbys, not flushed there",
        "remote_apply": "flushed and applied by the synchronous standbys",
    }.get(commit, "flushed by the synchronous standbys")
    return f"the transaction {here}, and {there} ({standbys})"


def _durability(info: ServerInfo) -> str:
    if not info.fsync:
        return "not certain after a power cut: anything (fsync off)"
    if not info.full_page_writes:
        return "every acknowledged write, but a power cut can damage pages (full_page_writes off)"
    if info.synchronous_commit == "off":
        return "all but about the last second (synchronous_commit off)"
    return "every acknowledged write"


def _warnings(info: ServerInfo) -> list[str]:
    found: list[str] = []
    if not info.fsync:
        found.append("fsync is off: a power cut can lose or damage everything")
    if not info.full_page_writes:
        found.append("full_page_writes is off: a power cut can damage what was written long ago")
    if info.synchronous_commit == "off":
        found.append(
            "synchronous_commit is off: what was acknowledged last is lost when the server is"
            " killed"
        )
    elif info.replicas and not info.synchronous_standbys:
        found.append(
            "synchronous_standby_names is empty: a failover to a replica can lose what was"
            " acknowledged last"
        )
    elif info.synchronous_standbys and info.synchronous_commit in ("local", "remote_write"):
        found.append(
            f"synchronous_commit is {info.synchronous_commit}: a failover can lose what was"
            " acknowledged last"
        )
    return found
