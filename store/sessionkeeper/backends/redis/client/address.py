"""The address of a server and its connect options, read from a URL. It never shows a password."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ....values.errors import BackendNotImplemented, StoreUnavailable
from ...redis_url import PERCENT, RedisUrl, ServerKind, split_url

if TYPE_CHECKING:
    from .redis_py import Wire

__all__ = ["RedisAddress"]

logger = logging.getLogger("sessionkeeper")

_OPTIONS = frozenset(
    {
        "db",
        "password",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_timeout",
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_exclude_verify_flags",
        "ssl_include_verify_flags",
        "ssl_keyfile",
        "ssl_min_version",
        "ssl_password",
        "username",
    }
)
_OF_DATA = frozenset({"db", "password", "username"})
"""What is not for sentinels, which have users of their own."""
_OF_SENTINELS = {"sentinel_username": "username", "sentinel_password": "password"}


class RedisAddress:
    """One address, and the options of all connections to it or to its cluster.

    With `sentinels` it is that of whatever server is their primary, which `sentinel.py` finds. Its
    `name`, its `repr` and its errors show hosts and ports, a path, or the name of a primary.
    """

    __slots__ = (
        "_options",
        "cluster",
        "connect_timeout",
        "host",
        "path",
        "port",
        "sentinels",
        "service",
        "timeout",
        "tls",
    )

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool,
        cluster: bool,
        timeout: float,
        connect_timeout: float,
        options: Mapping[str, Any],
        path: str = "",
        service: str = "",
        sentinels: tuple[RedisAddress, ...] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.path = path
        """Of a socket of this host, in place of host and port."""
        self.service = service
        """What the sentinels call the primary."""
        self.sentinels = sentinels
        self.tls = tls
        self.cluster = cluster
        self.timeout = timeout
        """Seconds of silence, with replies outstanding, after which a connection is closed."""
        self.connect_timeout = connect_timeout
        """Maximum seconds to make a connection, authentication included."""
        self._options = dict(options)

    @classmethod
    def of(cls, url: str, /, *, timeout: float = 5.0, connect_timeout: float = 5.0) -> RedisAddress:
        """Read one of the URLs that `backends/redis_url.py` describes.

        User, password and database are read as redis-py does. The query may have its options for
        verification (`ssl_*`) and time-outs (`socket_timeout`, seconds), and `sentinel_username`
        and `sentinel_password`. Raises `ValueError`, which does not show the URL, and
        `BackendNotImplemented` without redis-py.
        """
        try:
            # Report a missing package now, not when it is first used.
            import hiredis  # noqa: F401  # pyright: ignore[reportUnusedImport]  # as above
            import redis  # noqa: F401  # pyright: ignore[reportUnusedImport]  # as above
        except ImportError:
            raise _not_installed() from None
        parts = split_url(url)
        given = dict(parts.options)
        own = {name: given.pop(option) for option, name in _OF_SENTINELS.items() if option in given}
        if "prefix" in given:
            raise ValueError("give a store's prefix with prefix=, not in its URL")
        if not _OPTIONS.issuperset(given):
            # Do not name the option: it may be the rest of a password.
            known = ", ".join(sorted(_OPTIONS | _OF_SENTINELS.keys()))
            raise ValueError(f"an option in a Redis URL is none of {known}; {PERCENT}")
        is_sentinel = parts.kind is ServerKind.SENTINEL
        if own and not is_sentinel:
            raise ValueError("options that begin with sentinel_ need redis+sentinel://")
        if not parts.tls and any(option.startswith("ssl_") for option in given):
            raise ValueError("options that begin with ssl_ need rediss:// or valkeys://")
        read = _read_options(parts, given)
        shared: dict[str, Any] = {
            "tls": parts.tls,
            "timeout": read.pop("socket_timeout", timeout),
            "connect_timeout": read.pop("socket_connect_timeout", connect_timeout),
        }
        if is_sentinel:
            options = {name: option for name, option in read.items() if name not in _OF_DATA} | own
            sentinels = tuple(
                cls(*each, cluster=False, options=options, **shared) for each in parts.hosts
            )
            return cls(
                *("", 0),
                cluster=False,
                options=read,
                service=parts.service,
                sentinels=sentinels,
                **shared,
            )
        host, port = parts.hosts[0] if parts.hosts else ("", 0)
        cluster = parts.kind is ServerKind.CLUSTER
        return cls(host, port, cluster=cluster, options=read, path=parts.path, **shared)

    @property
    def name(self) -> str:
        """`host:port`, for errors and logs."""
        if self.sentinels:
            return f"{self.service} of {','.join(each.name for each in self.sentinels)}"
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<RedisAddress {self.name}>"

    def at(self, host: str, port: int) -> RedisAddress:
        """Return the address of another node of the same cluster, or of the primary."""
        return RedisAddress(
            host,
            port,
            tls=self.tls,
            cluster=self.cluster,
            timeout=self.timeout,
            connect_timeout=self.connect_timeout,
            options=self._options,
        )

    def wire(self) -> Wire:
        """Make a connection that is not connected yet. Raises `StoreUnavailable`."""
        from .redis_py import PlainWire, SocketWire, TlsWire

        try:
            if self.path:
                return SocketWire(self.path, self._options)
            made = TlsWire if self.tls else PlainWire
            return made(self.host, self.port, self._options)
        except Exception as error:
            # Its text might quote an option, and one of the options is the password.
            reason = f"redis-py does not accept an option of the URL ({type(error).__name__})"
            raise StoreUnavailable(f"{self.name}: {reason}") from None

    def warn(self) -> None:
        """Log what is less safe than it could be, once, when a store is opened."""
        for warning in self.warnings:
            logger.warning(warning)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What about this address is less safe than it could be."""
        if self.sentinels:
            return tuple(warning for each in self.sentinels for warning in each.warnings)
        if not self.tls:
            if self.path or _is_loopback(self.host):
                return ()
            return (f"{self.name} uses plain text; rediss:// would encrypt",)
        if self._options.get("ssl_cert_reqs", "required") != "required":
            return (f"ssl_cert_reqs: the certificate of {self.name} is not verified",)
        if self._options.get("ssl_check_hostname", True) is False:
            return (f"ssl_check_hostname: any certificate of the CA is accepted for {self.name}",)
        return ()


def _read_options(parts: RedisUrl, given: Mapping[str, str]) -> dict[str, Any]:
    """Read user, password, database and the options of the query, as redis-py does."""
    from redis.asyncio.connection import parse_url

    query = urlencode({name: value for name, value in given.items() if name != "db"})
    try:
        read: dict[str, Any] = dict(parse_url(f"redis://host?{query}"))
    except ValueError as error:
        raise ValueError(str(error)) from None  # its cause shows the value
    if parts.user:
        read["username"] = parts.user
    if parts.password:
        read["password"] = parts.password
    if parts.database is not None:
        read["db"] = parts.database
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not 0 < read.get(name, 1) < inf:
            raise ValueError(f"{name} is a number of seconds above 0")
    del read["host"]
    return read


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _not_installed() -> BackendNotImplemented:
    return BackendNotImplemented("redis")
