"""Parses the URL of a PostgreSQL database. No error shows a host, a name or a password of it.

The form is that of libpq and asyncpg, with the schema of the store as one more option:

    postgresql://user:password@host:5432/database?schema=sessionkeeper&sslmode=require
    postgresql://host1,host2:5433/database          the first one that is the primary
    postgresql:///database?host=/run/postgresql     a socket of this host, also //%2Frun/
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

from .redis_url import PERCENT

__all__ = ["SCHEMES", "SSL_MODES", "PostgresUrl", "split_postgres_url"]

SCHEMES = ("postgresql", "postgres")
"""The schemes of accepted URLs."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify")
"""The values of `sslmode`. The last one is that of node-postgres; libpq has no word for it."""

_TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
_CHOICES = {
    "sslmode": SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    # A store writes: a standby is of no use to it.
    "target_session_attrs": ("any", "primary", "read-write"),
}
_FREE = ("passfile", "sslcert", "sslcrl", "sslkey", "sslpassword", "sslrootcert")
_PLACE = ("database", "dbname", "host", "password", "port", "user")
_OPTIONS = tuple(
    sorted((*_CHOICES, *_FREE, *_PLACE, "application_name", "connect_timeout", "schema"))
)

_DEFAULT_SCHEMA = "sessionkeeper"
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45}(?:%25[\w.-]{1,32})?)\]|([^\[\]:/@\s]{1,1024}))(?::([0-9]{1,5}))?"
)
_BARE = re.compile(r"/.{0,1024}|[0-9A-Fa-f.]{0,15}(?::[0-9A-Fa-f.]{0,15}){2,9}")
"""What needs no brackets and no % in the option `host`: a folder, and an address of IPv6."""
_SHOWN_NAME = re.compile(r"[A-Za-z_]{1,40}")
_APPLICATION = re.compile(r"[!-~](?:[ -~]{0,61}[!-~])?")
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")
_NO_URL = f"not a URL, or its port is not 1 to 65535; {PERCENT}"
_TWICE = f"an option of the URL is given twice; {PERCENT}"
_MAX_CHARS, _MAX_HOSTS = 8192, 32


class PostgresUrl(NamedTuple):
    """The parts of a URL. Its `repr` shows only the schema: the rest may have a password."""

    dsn: str
    """The URL without the schema."""
    schema: str
    hosts: tuple[str, ...]
    """Names, addresses, or absolute folders of a socket; none for those of `PGHOST`."""
    ports: tuple[int | None, ...]
    """One for each host; None for that of `PGPORT`, or 5432."""
    user: str | None
    password: str | None
    database: str | None
    options: dict[str, str]
    """Of TLS, `passfile`, `target_session_attrs`, `application_name`, `connect_timeout`."""

    def __repr__(self) -> str:
        return f"<PostgresUrl with schema {self.schema}>"

    @property
    def place(self) -> str:
        """Hosts and ports, or the folder of a socket, for errors and logs."""
        pairs = zip(self.hosts, self.ports, strict=False)
        return ",".join(_place(host, port) for host, port in pairs) or "the default server"


def split_postgres_url(url: str, /) -> PostgresUrl:
    """Split a URL. Raises `ValueError`, which does not show it.

    An unknown option is named, unless it may be the rest of a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES:
        raise ValueError("postgresql://user:password@host:5432/database is expected")
    if len(url) > _MAX_CHARS or not rest.isprintable() or " " in rest or "#" in rest:
        raise ValueError(_NO_URL)
    head, _, query = rest.partition("?")
    before, _, path = head.partition("/")
    login, _, place = before.rpartition("@")
    # Further on, a raw @ is one after a password with / or ? in it.
    if any(each in login for each in "[]@") or any(each in path for each in "@/") or "@" in query:
        raise ValueError(_NO_URL)
    options = _options(query)
    kept = urlencode([(name, value) for name, value in options.items() if name != "schema"])
    schema = options.pop("schema", _DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise ValueError("a schema is 1 to 63 of a-z 0-9 _, first no digit and not pg_")
    hosts, ports = _servers(place, options.pop("host", ""), options.pop("port", ""))
    user, _, password = login.partition(":")
    return PostgresUrl(
        f"{SCHEMES[0]}://{head}{'?' if kept else ''}{kept}",
        schema,
        hosts,
        ports,
        _only("users", _decoded(user), options.pop("user", "")),
        _only("passwords", _decoded(password), options.pop("password", "")),
        _only("databases", _decoded(path), options.pop("dbname", ""), options.pop("database", "")),
        options,
    )


def _place(host: str, port: int | None) -> str:
    if host.startswith("/"):
        return f"unix:{host}"
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=40)
    except ValueError:
        raise ValueError(_NO_URL) from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ValueError(_TWICE)
    for name, value in pairs:
        if name not in _OPTIONS:
            raise ValueError(_unknown(name, query, secret="password" in "".join(options)))
        if "\0" in value:
            raise ValueError("an option of the URL has a NUL character")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name} in the URL is one of {', '.join(_CHOICES[name])}")
    if not _APPLICATION.fullmatch(options.get("application_name", "x")):
        raise ValueError("application_name in the URL is 1 to 63 visible ASCII characters")
    seconds = options.get("connect_timeout", "1")
    if not _SECONDS.fullmatch(seconds) or not 0 < float(seconds) <= 3600:
        raise ValueError("connect_timeout in the URL is a number of seconds: at most 3600")
    return options


def _unknown(name: str, query: str, *, secret: bool) -> str:
    known = f"is none of {', '.join(_OPTIONS)}; {PERCENT}"
    # After a raw & it may be the rest of a password, and without a = it may be anything.
    if secret or f"{name}=" not in query or not _SHOWN_NAME.fullmatch(name):
        return f"an option of the URL {known}"
    return f"the option {name} of the URL {known}"


def _servers(place: str, host: str, port: str) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
    if place and host:
        raise ValueError("the URL names hosts twice")
    found = [
        (each, None) if host and _BARE.fullmatch(each) else _server(each)
        for each in (place or host).split(",")
        if place or host
    ]
    if len(found) > _MAX_HOSTS:
        raise ValueError(f"a URL names at most {_MAX_HOSTS} hosts")
    ports: list[int | None] = [each[1] for each in found]
    if port:
        given: list[int | None] = [_port(each) for each in port.split(",")]
        if any(each is not None for each in ports) or len(given) not in (1, max(len(found), 1)):
            raise ValueError("the URL names ports twice, or not one for each host")
        ports = given * (len(found) if len(given) == 1 else 1)
        if not found:
            return (), tuple(given)
    return tuple(each[0] for each in found), tuple(ports)


def _server(text: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError(_NO_URL)
    host = _decoded(found[1] or found[2])
    if not host.startswith("/") and (
        not host.isprintable() or any(each in host for each in " /@,")
    ):
        raise ValueError(_NO_URL)
    return host, None if found[3] is None else _port(found[3])


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ValueError(_NO_URL)
    return int(text)


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("a part of the URL is not UTF-8 where it is quoted") from None
    if "\0" in decoded:
        raise ValueError("a part of the URL has a NUL character")
    return decoded


def _only(what: str, *given: str) -> str | None:
    """Return the one that is given, if any is."""
    named = {each for each in given if each}
    if len(named) > 1:
        raise ValueError(f"the URL names two {what}")
    return named.pop() if named else None
