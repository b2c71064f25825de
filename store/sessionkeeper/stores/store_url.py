"""Reads the URL of a store into its parts, before anything heavy is imported."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode

from ..backends import postgres_url, redis_url
from ..backends.postgres_url import split_postgres_url
from ..backends.redis_url import split_url
from .url_hints import suggest_url

__all__ = [
    "PREFIX",
    "DatabaseUrl",
    "FileUrl",
    "MemoryUrl",
    "ServerUrl",
    "is_plain",
    "split_store_url",
]

_SCHEMES = (*redis_url.SCHEMES, *postgres_url.SCHEMES)

PREFIX = r"^[A-Za-z0-9_.-]{1,64}$"
"""The prefixes that a store on a server may have."""


class MemoryUrl(NamedTuple):
    """`memory://`."""


class FileUrl(NamedTuple):
    """`sqlite:///` with a path."""

    path: str


class ServerUrl(NamedTuple):
    """The URL of a Redis server, without the prefix. Do not show it: it may have a password."""

    url: str
    prefix: str | None


class DatabaseUrl(NamedTuple):
    """The URL of a PostgreSQL database. Do not show it: it may have a password."""

    url: str


StoreUrl: TypeAlias = MemoryUrl | FileUrl | ServerUrl | DatabaseUrl


def split_store_url(url: str, /) -> StoreUrl:
    """Split a URL. Raises `ValueError` without showing it."""
    scheme, colon, rest = url.partition(":")
    if scheme.lower() == "sqlite":
        return FileUrl(_file(rest))
    if colon and scheme.lower() == "memory":
        if url.lower() not in ("memory://", "memory:"):
            raise ValueError("memory:// takes nothing after it")
        return MemoryUrl()
    if colon and scheme.lower() in _SCHEMES:
        if not rest.startswith("//") and rest.strip("/"):
            raise ValueError(f"{scheme}://HOST:PORT is expected, with two slashes{_hint(url)}")
        if scheme.lower() in postgres_url.SCHEMES:
            split_postgres_url(url)
            return DatabaseUrl(url)
        return _server(url)
    known = (
        "that begins with memory:, sqlite:, postgresql:, redis:, rediss:, valkey:, valkeys: or"
        " unix:"
    )
    raise ValueError(f"a store URL is expected{_hint(url) or f', {known}'}")


def is_plain(url: str, /) -> bool:
    """Whether a URL is certainly valid. False: it is wrong, or only its backend can tell."""
    try:
        parts = split_store_url(url)
        if isinstance(parts, ServerUrl):
            has_options = bool(split_url(parts.url).options)
            return not has_options and re.fullmatch(PREFIX, parts.prefix or "none") is not None
    except ValueError:
        return False
    return not isinstance(parts, FileUrl) or "\0" not in parts.path


def _hint(url: str) -> str:
    suggested = suggest_url(url, _SCHEMES)
    return "" if suggested is None else f"; did you mean {suggested} ?"


def _file(rest: str) -> str:
    """Read the path of a URL unchanged: `urlsplit` drops an empty query, tabs and line breaks."""
    path = rest[3:]
    if not rest.startswith("///") or "?" in path or "#" in path or not path.strip("/"):
        hint = _hint(f"sqlite:{rest}")
        raise ValueError(f"sqlite:///file.db is expected, with three slashes{hint}")
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the path is not UTF-8 where it is quoted") from None


def _server(url: str) -> ServerUrl:
    head, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    prefixes = [value for name, value in options if name == "prefix"]
    if len(prefixes) > 1:
        raise ValueError("a Redis URL has one prefix")
    rest = urlencode([option for option in options if option[0] != "prefix"])
    return ServerUrl(f"{head}?{rest}" if rest else head, prefixes[0] if prefixes else None)
