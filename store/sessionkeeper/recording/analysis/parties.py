"""The names of the two sides of a session, as far as its recorder knows them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ...values.session import Session

__all__ = ["CLIENT_KEY", "SERVER_KEY", "client_name", "client_process", "client_version"]
__all__ += ["server_name", "server_url", "server_version"]

CLIENT_KEY = "sessionkeeper.client"
"""The name in `Session.metadata` of the process that started the recorder."""
SERVER_KEY = "sessionkeeper.server"
"""The name in `Session.metadata` of the server's command or URL."""

_RUNNERS = frozenset({"python", "python3", "node", "npx", "uvx", "uv", "sh", "bash", "env", "deno"})
_LARGEST_PID = 2**32 - 1


def client_name(session: Session) -> str | None:
    """Return the name that the client gave itself; None if it gave none."""
    return _text(session.client_info, "name")


def client_version(session: Session) -> str | None:
    """Return the version that the client gave itself; None if it gave none."""
    return _text(session.client_info, "version")


def client_process(session: Session) -> tuple[str, int] | None:
    """Return host and pid of the process that started the recorder; None if unknown."""
    held = _mapping(session.metadata.get(CLIENT_KEY))
    host, pid = held.get("host"), held.get("pid")
    if not isinstance(host, str) or not isinstance(pid, int):
        return None
    return (host, pid) if 0 < pid <= _LARGEST_PID else None


def server_name(session: Session) -> str | None:
    """Return the name that the server gave itself, else its URL or the name of its program.

    None if a session that was not recorded by a proxy names no server.
    """
    name = _text(session.server_info, "name")
    if name is not None:
        return name
    return server_url(session) or _program(session)


def server_url(session: Session) -> str | None:
    """Return the URL of the server, without what could be secret in it; None for a process."""
    return _text(session.metadata.get(SERVER_KEY), "url")


def server_version(session: Session) -> str | None:
    """Return the version that the server gave itself; None if it gave none."""
    return _text(session.server_info, "version")


def _program(session: Session) -> str | None:
    """Return the first word of the command that says what is run: no interpreter, no option."""
    command = _mapping(session.metadata.get(SERVER_KEY)).get("command")
    if not isinstance(command, Sequence) or isinstance(command, str):
        return None
    given = [each for each in cast("Sequence[object]", command) if isinstance(each, str)]
    words = [posixpath.basename(each) or each for each in given]
    while len(words) > 1 and (words[0] in _RUNNERS or words[0].startswith("-")):
        words.pop(0)
    return words[0] if words else None


def _text(held: object, name: str) -> str | None:
    found = _mapping(held).get(name)
    return found if isinstance(found, str) and found else None


def _mapping(held: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", held) if isinstance(held, Mapping) else {}
