"""The address of the server, read from a URL. No error shows any part of the URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ..faulty_proxy import Place

__all__ = ["ServerAddress", "read_address", "write_url"]

_SCHEMES = ("postgresql", "postgres")
_PORT = 5432
_PLAIN = ("", "disable", "allow", "prefer")
_EXPECTED = "designs are compared on a single server with a postgresql://host/database URL"
_NO_URL = "not a URL; write / ? # [ ] @ and : in a user or a password with %"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server and who connects to it."""

    host: str
    """A name or an address; the folder of the socket if it begins with a slash."""
    port: int
    user: str | None
    password: str | None = field(repr=False)
    database: str | None

    @property
    def name(self) -> str:
        """Host and port, to be shown."""
        return f"{self.host}:{self.port}"

    @property
    def place(self) -> Place:
        """Where a proxy connects."""
        if self.host.startswith("/"):
            return f"{self.host}/.s.PGSQL.{self.port}"
        return self.host, self.port


def read_address(url: str, /) -> ServerAddress:
    """Read a URL. Raises `ValueError`, which does not show it.

    TLS is refused, because the proxies between the designs and the server read what is sent.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise ValueError(_EXPECTED)
    try:
        parts = urlsplit(url)
        host, port = unquote(parts.hostname or ""), parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        port = int(options["port"]) if "port" in options else port
    except ValueError:
        raise ValueError(_NO_URL) from None
    if parts.fragment or not url.isprintable() or "@" in parts.path:
        raise ValueError(_NO_URL)
    host = options.get("host", host) or "localhost"
    if "," in host or "," in parts.netloc:
        raise ValueError(_EXPECTED)
    if options.get("sslmode", "") not in _PLAIN:
        raise ValueError("designs are compared without TLS: a proxy reads what is sent")
    user, password = options.get("user", parts.username), options.get("password", parts.password)
    return ServerAddress(
        host,
        _PORT if port is None else port,
        None if user is None else unquote(user),
        None if password is None else unquote(password),
        unquote(parts.path.strip("/")) or options.get("dbname"),
    )


def write_url(address: ServerAddress, *, schema: str, port: int) -> str:
    """Return the URL of a store in a schema, through the proxy on a port of this host."""
    given = {"user": address.user, "password": address.password, "schema": schema}
    options = urlencode({name: value for name, value in given.items() if value is not None})
    database = quote(address.database or "", safe="")
    return f"postgresql://127.0.0.1:{port}/{database}?sslmode=disable&{options}"
