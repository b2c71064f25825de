"""The address of a database and how to connect to it. It never shows a password."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from ...values.errors import BackendNotImplemented
from ..postgres_url import PostgresUrl, split_postgres_url
from .driver import StoreConnection, asyncpg
from .errors import PoolerFound, WrongServer, is_lost, note_place
from .lineage import Lineage
from .tls import ssl_mode, tls_argument

__all__ = ["PostgresAddress"]

_PORT = re.compile("[0-9]{1,5}")
_IDLE_IN_TRANSACTION = 15.0
"""Seconds after which the server frees the locks of a process that stopped in a transaction."""
_KEEPALIVE = {"idle": 10, "interval": 5, "count": 3}
"""After 25 seconds of silence a peer counts as gone: seconds, seconds, and probes."""
_UNACKNOWLEDGED = 20_000
"""Milliseconds after which a peer that acknowledges nothing counts as gone."""

# The statements are written for their indexes: a plan that was made while a table was empty would
# read all of it later.
_SETTINGS = {
    # That the wait for a standby was ended early, only a warning says.
    "client_min_messages": "warning",
    "default_transaction_isolation": "read committed",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "idle_in_transaction_session_timeout": str(round(_IDLE_IN_TRANSACTION * 1000)),
    "jit": "off",
    # A page of a large table would start processes first.
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_generic_plan",
    # Rows that a policy hides would look as if they were not there: that is an error then.
    "row_security": "off",
    "tcp_keepalives_count": str(_KEEPALIVE["count"]),
    "tcp_keepalives_idle": str(_KEEPALIVE["idle"]),
    "tcp_keepalives_interval": str(_KEEPALIVE["interval"]),
}


class PostgresAddress:
    """One database, and the schema of a store in it.

    Its `name`, its `repr` and its errors show hosts and ports, or the path of a socket.
    """

    __slots__ = ("_first", "_lineage", "_url", "schema")

    def __init__(self, url: PostgresUrl) -> None:
        self._url = url
        self.schema = url.schema
        self._first = 0  # the host that is tried first: the one that worked last
        self._lineage = Lineage()

    @classmethod
    def of(cls, url: str, /) -> PostgresAddress:
        """Read a URL as `backends/postgres_url.py` describes it.

        What it does not say, the variables `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`,
        `PGPASSFILE`, `PGDATABASE`, `PGSSLMODE` and their like say, as in libpq. Raises
        `ValueError`, which does not show the URL, and `BackendNotImplemented` without asyncpg.
        """
        if asyncpg is None:
            raise BackendNotImplemented("postgres")
        return cls(split_postgres_url(url))

    @property
    def name(self) -> str:
        """Hosts and ports, or the folder of a socket, for errors and logs."""
        return self._url.place

    def __repr__(self) -> str:
        return f"<PostgresAddress {self.name} schema {self.schema}>"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What about this address is less safe than it could be."""
        hosts = self._url.hosts or filter(None, os.environ.get("PGHOST", "").split(","))
        far = [host for host in hosts if not _is_local(host)]
        mode = ssl_mode(self._url.options)
        if not far or mode in ("require", "verify-full"):
            return ()
        if mode == "disable":
            return ("sslmode=disable: what is sent can be read and changed on its way",)
        if mode == "verify-ca":
            return ("sslmode=verify-ca: any certificate of the authority is accepted",)
        if mode == "no-verify":
            return ("sslmode=no-verify: the server's certificate is not verified",)
        return (
            f"sslmode={mode}: TLS is used if the server offers it, and nothing is verified;"
            " sslmode=require verifies",
        )

    async def connect(self, *, timeout: float, lock_timeout: float) -> StoreConnection:
        """Connect to the database within `timeout` seconds, or `connect_timeout` a host of the URL.

        `lock_timeout` is how many seconds a statement waits for a lock. Of several hosts, the first
        is taken that accepts writes, beginning with the one that did last; each has the same part
        of `timeout`, so that a silent one does not hide the others. Raises what asyncpg and the
        system raise, and `WrongServer` for a standby, a server that another one has replaced, a
        pooler, and options that cannot be used; `errors.unavailable` describes all of them.
        """
        try:
            connection = await self._connected(timeout, lock_timeout)
        except BaseException as error:
            note_place(error, self.name)
            raise
        _watch_peer(connection)
        return connection

    async def _connected(self, timeout: float, lock_timeout: float) -> StoreConnection:
        count = max(len(self._url.hosts), 1)
        first, found = self._first, None
        for turn in range(count):
            host = (first + turn) % count
            try:
                connection = await self._connected_to(host, timeout / count, lock_timeout)
            except Exception as error:
                if not is_lost(error):
                    raise
                # What a server said tells more than that another one said nothing.
                found = found if isinstance(found, WrongServer) else error
            else:
                self._first = host
                return connection
        raise found or RuntimeError("there is at least one turn")

    async def _connected_to(
        self, host: int, timeout: float, lock_timeout: float
    ) -> StoreConnection:
        url = self._url
        _refuse_unread(url)
        ports = _ports(url)
        direct = url.options.get("sslnegotiation")
        try:
            options: dict[str, Any] = {
                "host": list(url.hosts[host : host + 1]) or None,
                "port": ports if ports is None or not url.hosts else ports[host : host + 1],
                "user": url.user,
                "password": url.password,
                "database": url.database,
                "passfile": url.options.get("passfile"),
                "ssl": tls_argument(url.options),
                "direct_tls": None if direct is None else direct == "direct",
                "target_session_attrs": _target(url),
                "timeout": float(url.options.get("connect_timeout", timeout)),
                "max_cached_statement_lifetime": 0,
                "server_settings": self._settings(lock_timeout),
            }
            connection = await asyncpg.connect(connection_class=StoreConnection, **options)
        except OSError:
            raise
        except asyncpg.ProtocolViolationError:
            raise PoolerFound from None  # a server knows all of the settings
        except asyncpg.TargetServerAttributeNotMatched:
            raise WrongServer("none of the hosts accepts writes", lasting=False) from None
        except (ValueError, KeyError) as error:
            # Its text may quote an option, and one of the options is the password.
            reason = "an option of the URL or a variable PG... cannot be used"
            raise WrongServer(f"{reason} ({type(error).__name__})") from None
        try:
            if await _is_standby(connection):
                raise WrongServer("the server is a standby: name the primary", lasting=False)
            await self._lineage.check(connection)
        except BaseException:
            connection.terminate()
            raise
        connection.address_name, connection.address_warnings = self.name, self.warnings
        return connection

    def _settings(self, lock_timeout: float) -> dict[str, str]:
        return {
            **_SETTINGS,
            "application_name": self._url.options.get("application_name", "sessionkeeper"),
            # 0 would be for ever.
            "lock_timeout": str(max(1, round(lock_timeout * 1000))),
            # Whatever others put into a temporary schema or into public is not found.
            "search_path": f'"{self.schema}", pg_temp',
        }


async def _is_standby(connection: StoreConnection) -> bool:
    # PostgreSQL 14 and newer report it with the connection.
    reported = getattr(connection.get_settings(), "in_hot_standby", None)
    if reported is None:
        return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))
    return bool(reported == "on")


def _target(url: PostgresUrl) -> str | None:
    given = url.options.get("target_session_attrs")
    # asyncpg splits the hosts of the environment itself.
    are_several = len(url.hosts) > 1 or (not url.hosts and "," in os.environ.get("PGHOST", ""))
    if given is None and are_several and "PGTARGETSESSIONATTRS" not in os.environ:
        return "read-write"
    return given


def _ports(url: PostgresUrl) -> list[int] | None:
    """Return a port for each host of the URL; None for hosts and ports of the environment."""
    if url.ports and None not in url.ports:
        return [port for port in url.ports if port is not None]
    given = (os.environ.get("PGPORT") or "5432").split(",")
    if not all(_PORT.fullmatch(each) and 0 < int(each) < 65536 for each in given):
        raise WrongServer("PGPORT is not a port from 1 to 65535")
    if not url.hosts:
        return None
    if len(given) not in (1, len(url.hosts)):
        raise WrongServer("PGPORT is not one port, or one for each host of the URL")
    usual = [int(each) for each in given] * (len(url.hosts) if len(given) == 1 else 1)
    return [each if port is None else port for port, each in zip(url.ports, usual, strict=True)]


def _refuse_unread(url: PostgresUrl) -> None:
    """Refuse the default server where libpq would take another one. Raises `WrongServer`."""
    if url.hosts:
        return
    for name in ("PGSERVICE", *(() if os.environ.get("PGHOST") else ("PGHOSTADDR",))):
        if os.environ.get(name):
            raise WrongServer(f"{name} is not read: name the server in the URL or unset it")


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _watch_peer(connection: StoreConnection) -> None:
    """Let the system find out that the server's machine is gone: no packet says so."""
    # asyncpg shows its socket to nobody.
    transport = getattr(connection, "_transport", None)
    found = None if transport is None else transport.get_extra_info("socket")
    if found is None or found.family == getattr(socket, "AF_UNIX", None):
        return
    options = {
        "TCP_KEEPIDLE": _KEEPALIVE["idle"],
        "TCP_KEEPINTVL": _KEEPALIVE["interval"],
        "TCP_KEEPCNT": _KEEPALIVE["count"],
        "TCP_USER_TIMEOUT": _UNACKNOWLEDGED,
    }
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # not every system has each
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
