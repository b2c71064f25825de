"""Which sessions the commands of a batch will ask for, so that they are read together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from soleowner import Command

__all__ = ["session_ids"]


def session_ids(commands: Sequence[Command[Any, Any]]) -> Iterable[str]:
    """Return the ids of sessions that commands will ask for."""
    for command in commands:
        asked = getattr(command, "command", command)  # of a view
        session_id = getattr(asked, "session_id", None)
        if session_id is not None:
            yield session_id
        elif (session := getattr(asked, "session", None)) is not None:
            yield session.id
        else:
            for session in getattr(asked, "sessions", ()):
                yield session.id
            yield from getattr(asked, "session_ids", ())
