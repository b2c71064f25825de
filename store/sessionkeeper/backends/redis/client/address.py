"""The address of a server and its connect options, read from a URL. It never shows a password."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from ....values.errors import BackendNotImplemented, StoreUnavailable

if TYPE_CHECKING:
    from .redis_py import Wire

__all__ = ["RedisAddress"]

logger = logging.getLogger("sessionkeeper")

_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
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
_PORT = 6379
_MAX_DIGITS = 10
_PERCENT = "write / ? # [ ] @ and : in a user or a password with %"


class RedisAddress:
    """One address, and the options of all connections to it or to its cluster.

    Its `name`, its `repr` and its errors show only `host:port`.
    """

    __slots__ = (
        "_options",
        "cluster",
        "connect_timeout",
        "host",
        "port",
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
    ) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.cluster = cluster
        self.timeout = timeout
        """Seconds of silence, with replies outstanding, after which a connection is closed."""
        self.connect_timeout = connect_timeout
        """Maximum seconds to make a connection, authentication included."""
        self._options = dict(options)

    @classmethod
    def of(cls, url: str, /, *, timeout: float = 5.0, connect_timeout: float = 5.0) -> RedisAddress:
        """Read `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://`.

        User, password and database are read as redis-py does. The query may have its options for
        verification (`ssl_*`) and time-outs (`socket_timeout`, seconds). Raises `ValueError`, which
        does not show the URL, and `BackendNotImplemented` without redis-py.
        """
        try:
            # Report a missing package now, not when it is first used.
            import hiredis  # noqa: F401  # pyright: ignore[reportUnusedImport]  # as above
            from redis.asyncio.connection import parse_url
        except ImportError:
            raise _not_installed() from None
        parts = _split(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"a URL of {', '.join(_SCHEMES)} with a host is expected")
        options = parse_qs(parts.query, keep_blank_values=True)
        if "prefix" in options:
            raise ValueError("give a store's prefix with prefix=, not in its URL")
        if not _OPTIONS.issuperset(options):
            # Do not name the option: it may be the rest of a password.
            known = ", ".join(sorted(_OPTIONS))
            raise ValueError(f"an option in a Redis URL is none of {known}; {_PERCENT}")
        database = parts.path.strip("/")
        if database and not (database.isdecimal() and len(database) <= _MAX_DIGITS):
            # redis-py would silently use database 0.
            raise ValueError("after the host only the number of a database may follow")
        scheme, _, cluster = parts.scheme.partition("+")
        try:
            read: dict[str, Any] = dict(parse_url(f"{scheme}:{url.partition(':')[2]}"))
        except ValueError as error:
            raise ValueError(str(error)) from None  # its cause shows the value
        for name in ("socket_timeout", "socket_connect_timeout"):
            if not 0 < read.get(name, 1) < inf:
                raise ValueError(f"{name} is a number of seconds above 0")
        if read.get("db", 0) < 0:
            raise ValueError("the number of a database is at least 0")
        if cluster and read.get("db"):
            raise ValueError("a cluster has only database 0")
        tls = read.pop("connection_class", None) is not None
        if not tls and any(option.startswith("ssl_") for option in read):
            raise ValueError("options that begin with ssl_ need rediss:// or rediss+cluster://")
        return cls(
            read.pop("host"),
            read.pop("port", _PORT),
            tls=tls,
            cluster=bool(cluster),
            timeout=read.pop("socket_timeout", timeout),
            connect_timeout=read.pop("socket_connect_timeout", connect_timeout),
            options=read,
        )

    @property
    def name(self) -> str:
        """`host:port`, for errors and logs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<RedisAddress {self.name}>"

    def at(self, host: str, port: int) -> RedisAddress:
        """Return the address of another node of the same cluster."""
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
        from .redis_py import PlainWire, TlsWire

        made = TlsWire if self.tls else PlainWire
        try:
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
        if not self.tls:
            if _is_loopback(self.host):
                return ()
            return (f"{self.name} uses plain text; rediss:// would encrypt",)
        if self._options.get("ssl_cert_reqs", "required") != "required":
            return (f"ssl_cert_reqs: the certificate of {self.name} is not verified",)
        if self._options.get("ssl_check_hostname", True) is False:
            return (f"ssl_check_hostname: any certificate of the CA is accepted for {self.name}",)
        return ()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.port != 0 and not parts.fragment:
            return parts
    except ValueError:  # its text quotes what it took for a port or an address
        pass
    raise ValueError(f"not a URL, or its port is not 1 to 65535; {_PERCENT}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _not_installed() -> BackendNotImplemented:
    return BackendNotImplemented("redis")
