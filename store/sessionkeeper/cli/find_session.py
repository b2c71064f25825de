"""Finds the session that a user names: by its id, by a prefix of it, or as the last one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import InvalidSessionId, SessionNotFound
from ..values.query import SessionQuery
from ..values.session import Session
from .newest_sessions import newest_sessions
from .quantities import format_moment

__all__ = ["find_session"]

_PAGE = 1_000
_CANDIDATES = 5
_LAST = re.compile(r"last(?:~([0-9]{1,9}))?")
_HINT = "the id"


async def find_session(store: AtomicSessionStore, asked: str) -> Session:
    """Return the session that a user names.

    That is the session with this id; or `last`, the newest by creation, and `last~2`, the third
    newest; or the only one whose id starts with it.

    Raises `SessionNotFound`, `typer.BadParameter` if several ids start with it, or if there are not
    that many sessions.
    """
    asked = asked.removesuffix("…")
    try:
        return await store.get_session(asked)
    except (SessionNotFound, InvalidSessionId):
        pass
    if (last := _LAST.fullmatch(asked)) is not None:
        return await _find_last(store, int(last[1] or 0))
    found = await _find_by_prefix(store, asked)
    if not found:
        raise SessionNotFound(asked)
    if len(found) > 1:
        raise typer.BadParameter(_describe(found), param_hint=_HINT)
    return found[0]


async def _find_last(store: AtomicSessionStore, before: int) -> Session:
    number = 0
    async for session in newest_sessions(store):
        if number == before:
            return session
        number += 1
    if not number:
        raise typer.BadParameter("the store has no session", param_hint=_HINT)
    oldest = f"last~{number - 1}" if number > 1 else "last"
    raise typer.BadParameter(
        f"the store has {number:,} {'session' if number == 1 else 'sessions'}:"
        f" the oldest one is {oldest}",
        param_hint=_HINT,
    )


async def _find_by_prefix(store: AtomicSessionStore, prefix: str) -> list[Session]:
    found: list[Session] = []
    cursor: str | None = None
    while prefix:
        page = await store.find_sessions(SessionQuery(), cursor=cursor, limit=_PAGE)
        found += [each for each in page.sessions if each.id.startswith(prefix)]
        cursor = page.cursor
        if cursor is None:
            break
    return found


def _describe(found: Sequence[Session]) -> str:
    """Say that several ids start like that, and by how much more the newest of them differ."""
    ids = sorted(each.id for each in found)
    shown = [
        f"{_distinct(each.id, ids)} of {format_moment(each.created_at)}"
        for each in found[-_CANDIDATES:]
    ]
    more = f" and {len(found) - len(shown):,} more" if len(found) > len(shown) else ""
    return f"{len(found):,} ids start with it: {', '.join(shown)}{more}; give more characters"


def _distinct(session_id: str, ids: Sequence[str]) -> str:
    """Return how an id begins, so far that no other one of these sorted ids begins so."""
    place = bisect_left(ids, session_id)
    others = (ids[each] for each in (place - 1, place + 1) if 0 <= each < len(ids))
    length = max(_common(session_id, other) for other in others) + 1
    return session_id if length >= len(session_id) else f"{session_id[:length]}…"


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
