"""Parses the URL of a server. No error shows any part of it.

A server, a cluster, a socket of this host, or the sentinels that know where a primary is:

    redis://user:password@host:6379/0       valkey:// is the same, rediss:// and valkeys:// use TLS
    redis+cluster://host:6379
    unix:///run/redis.sock?db=0             also redis+unix:// and redis+socket://
    redis+sentinel://host:26379,other/name  and after it /0, the number of a database
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

__all__ = ["PERCENT", "SCHEMES", "RedisUrl", "ServerKind", "split_url"]

_MAX_DIGITS = 10
_BASES = ("redis", "rediss", "valkey", "valkeys")
_SERVICE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%25[\w.-]+)?)\]|([^\[\]:/@\s]+))(?::([0-9]{1,5}))?")
PERCENT = "write / ? # [ ] @ and : in a user or a password with %"
_NO_URL = f"not a URL, or its port is not 1 to 65535; {PERCENT}"


class ServerKind(Enum):
    """The kind of server at the address."""

    SERVER = ""
    CLUSTER = "cluster"
    SOCKET = "unix"
    SENTINEL = "sentinel"


_KINDS = {
    **dict.fromkeys(_BASES, ServerKind.SERVER),
    **{f"{base}+cluster": ServerKind.CLUSTER for base in _BASES},
    **{f"{base}+sentinel": ServerKind.SENTINEL for base in _BASES},
    **{f"{base}+{way}": ServerKind.SOCKET for base in _BASES[::2] for way in ("unix", "socket")},
    "unix": ServerKind.SOCKET,
}
SCHEMES = tuple(_KINDS)
"""The schemes of accepted URLs."""
_EXPECTED = (
    f"a URL of {', '.join(_BASES)} with a host is expected, also with +cluster or +sentinel, or"
    " unix:///path"
)
_PORTS = {ServerKind.SENTINEL: 26379}
_PORT = 6379


class RedisUrl(NamedTuple):
    """The parts of a URL. Do not show it: it has the password."""

    kind: ServerKind
    tls: bool
    user: str
    password: str
    hosts: tuple[tuple[str, int], ...]
    """Empty for a socket; several only for sentinels."""
    path: str
    """The path of a socket."""
    service: str
    """The name of the primary at the sentinels."""
    database: int | None
    options: dict[str, str]


def split_url(url: str, /) -> RedisUrl:
    """Split a URL. Raises `ValueError`, which does not show it."""
    scheme, _, rest = url.partition("://")
    kind = _KINDS.get(scheme.lower())
    if kind is None:
        raise ValueError(_EXPECTED)
    if not rest.isprintable() or " " in rest or "#" in rest:
        raise ValueError(_NO_URL)
    rest, _, query = rest.partition("?")
    before, slash, path = rest.partition("/")
    login, _, place = before.rpartition("@")
    if any(each in login for each in "[]@"):
        raise ValueError(_NO_URL)
    user, _, password = login.partition(":")
    options = _options(query)
    hosts: tuple[tuple[str, int], ...] = ()
    service = ""
    if kind is ServerKind.SOCKET:
        socket, path = _socket(place, slash + path), ""
    else:
        hosts, socket = _hosts(kind, place), ""
    if kind is ServerKind.SENTINEL:
        service, _, path = path.partition("/")
        if not _SERVICE.fullmatch(service):
            raise ValueError(
                "after the sentinels the name of their primary is expected, as in"
                " redis+sentinel://HOST:26379,HOST2:26379/NAME"
            )
    database = _database(path.strip("/"), options.get("db"))
    if kind is ServerKind.CLUSTER and database:
        raise ValueError("a cluster has only database 0")
    return RedisUrl(
        kind,
        scheme.lower().partition("+")[0] in ("rediss", "valkeys"),
        unquote(user),
        unquote(password),
        hosts,
        socket,
        service,
        database,
        options,
    )


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ValueError(f"an option of the URL is given twice; {PERCENT}")
    return options


def _hosts(kind: ServerKind, place: str) -> tuple[tuple[str, int], ...]:
    if not place:
        raise ValueError(_EXPECTED)
    hosts = tuple(_host(each, _PORTS.get(kind, _PORT)) for each in place.split(","))
    if len(hosts) > 1 and kind is not ServerKind.SENTINEL:
        raise ValueError(f"only sentinels are several, separated by commas; {PERCENT}")
    return hosts


def _host(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    number = port if found is None or found[3] is None else int(found[3])
    if found is None or not 0 < number < 65536:
        raise ValueError(_NO_URL)
    return unquote(found[1] or found[2]), number


def _socket(place: str, path: str) -> str:
    path = unquote(path)
    # A raw @ may be the end of a password with a slash in it.
    if place or not path.strip("/") or "@" in path or "\0" in path:
        raise ValueError(f"unix:///path is expected, or unix://user:password@/path; {PERCENT}")
    return path


def _database(path: str, option: str | None) -> int | None:
    # redis-py would silently use database 0 for anything it cannot read.
    if path and not _is_number(path):
        raise ValueError("after the host only the number of a database may follow")
    if option is not None and not _is_number(option):
        raise ValueError("db is the number of a database: at least 0")
    if path and option is not None and int(path) != int(option):
        raise ValueError("the URL names two databases")
    number = path or option
    return None if number is None or number == "" else int(number)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
