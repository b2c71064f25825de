"""The servers of a comparison, and whether they can be used: before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TypeAlias

from sessionkeeper.backends.postgres_url import split_postgres_url
from sessionkeeper.values.errors import SessionError

from ..peers import PeerNotInstalled, PeerStorage
from ..peers.redis_keys import check_server
from ..targets import make_subject, parse_target

__all__ = ["EXAMPLES", "Servers", "check_servers"]

Servers: TypeAlias = "Mapping[PeerStorage, str]"
"""The URL of each server that the lines may use; it may hold other data."""

EXAMPLES = {
    PeerStorage.REDIS: "--redis redis://localhost:6379",
    PeerStorage.POSTGRES: "--postgres postgresql://user@localhost/database",
}
"""How each kind of server is named to the command."""


async def check_servers(servers: Servers, /) -> None:
    """Raise `ValueError` for the first one that cannot be used: a line without its URL.

    On PostgreSQL a schema is made and dropped.
    """
    for storage, url in servers.items():
        try:
            await (_check_postgres if storage is PeerStorage.POSTGRES else _check_redis)(url)
        except (ValueError, PeerNotInstalled) as error:
            raise ValueError(f"{EXAMPLES[storage].split()[0]}: {error}") from None


async def _check_redis(url: str) -> None:
    try:
        await check_server(url)
    except PeerNotInstalled:
        raise
    except Exception as error:  # its text may contain the URL
        raise ValueError(f"no server answers there: {type(error).__name__}") from None


async def _check_postgres(url: str) -> None:
    options = split_postgres_url(url).options
    # asyncpg, with which all others connect, would send it to the server as a setting.
    if "connect_timeout" in options or options.get("sslmode") == "no-verify":
        raise ValueError("connect_timeout and sslmode=no-verify are not known to the peers")
    subject = make_subject(parse_target(url), Path(), run=f"bench-{token_hex(4)}")
    try:
        try:
            await subject.open()
            await subject.aclose()
        except BaseException:
            with suppress(Exception):  # it is the first error that says why
                await subject.clear()
            raise
        await subject.clear()
    except SessionError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # the same: the server went away in the middle
        raise ValueError(f"it cannot be used: {type(error).__name__}") from None
