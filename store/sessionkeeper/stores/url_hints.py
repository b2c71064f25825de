"""Suggests the intended URL of a store for a wrong one: a path, a missing slash, HTTP.

A text with an `@` or a `?` is not repeated: it may hold a password.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from urllib.parse import quote

__all__ = ["suggest_url"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?::(/*)|(?://))(.*)", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_HOST = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}(/[0-9]*)?")
_DATABASE = re.compile(r"[A-Za-z0-9.-]+:543[0-9](/[A-Za-z0-9_]*)?")
_FILE_SCHEMES = ("sqlite", "sqlite3", "file")
_DATABASE_SCHEMES = ("pg", "pgsql", "psql", "postgres", "postgresql")
_WEB = {"http": "redis", "https": "rediss", "tcp": "redis", "ws": "redis", "wss": "rediss"}
_CUTOFF = 0.75


def suggest_url(text: str, schemes: tuple[str, ...]) -> str | None:
    """Return the URL that was probably meant; None if there is nothing to suggest.

    `schemes` are those of servers.
    """
    if not text.strip() or "\0" in text:
        return None
    if text == "memory":
        return "memory://"
    if _DRIVE.match(text) or "\\" in text:
        return _file(text.replace("\\", "/"))
    if _DATABASE.fullmatch(text):
        return f"postgresql://{text}"
    if _HOST.fullmatch(text):
        return f"{schemes[0]}://{text}"
    found = _SCHEME.fullmatch(text)
    return _file(text) if found is None else _with_scheme(found, schemes)


def _with_scheme(found: re.Match[str], schemes: tuple[str, ...]) -> str | None:
    scheme, slashes, rest = found[1].lower(), found[2], found[3]
    meant = _meant(scheme, schemes)
    if meant is None or meant == "memory":
        return meant and "memory://"
    if meant == "sqlite":
        return _file(_path(scheme, slashes or "", rest)) if rest else None
    return f"{meant}://HOST:PORT" if _is_secret(rest) or not rest else f"{meant}://{rest}"


def _meant(scheme: str, schemes: tuple[str, ...]) -> str | None:
    if scheme in _FILE_SCHEMES or scheme.startswith("sqlite+"):
        return "sqlite"
    # SQLAlchemy names a driver after a +.
    if scheme.partition("+")[0] in _DATABASE_SCHEMES:
        return "postgresql"
    if scheme in _WEB:
        return _WEB[scheme]
    near = get_close_matches(scheme, (*schemes, "sqlite", "memory"), n=1, cutoff=_CUTOFF)
    return near[0] if near else None


def _path(scheme: str, slashes: str, rest: str) -> str:
    """Return the path in a URL whose slashes are not three: `sqlite:/var/x` is absolute."""
    absolute = slashes == "/" or len(slashes) > 3 or (scheme == "file" and len(slashes) == 3)
    return f"/{rest}" if absolute else rest


def _is_secret(text: str) -> bool:
    return "@" in text or "?" in text


def _file(path: str) -> str | None:
    if _is_secret(path):
        return None
    path = os.path.expanduser(path.removeprefix("./"))
    return f"sqlite:///{quote(path, safe='/: ', errors='surrogateescape')}"
