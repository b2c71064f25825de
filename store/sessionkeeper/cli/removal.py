"""`sessionkeeper end`, `rm` and `purge`: end and delete sessions of a store."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..leases import RecorderState, end_gone_sessions, find_live_sessions, recorder_state
from ..values.errors import InvalidTransition, SessionNotFound, short_id
from ..values.lease import without_lease
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .console import complain, interruptible, print_line
from .progress import progress
from .stores import (
    BAD_INPUT,
    NOTHING,
    AsJson,
    StoreUrl,
    find_session,
    open_store,
    run_command,
)

__all__ = ["end", "purge", "rm"]

_PAGE = 1_000
_PURGED = 100
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_ENDED = SessionQuery(states=frozenset(each for each in SessionState if each.is_terminal))
_LONGEST_REASON = 1_024

Force = Annotated[bool, typer.Option("--force", help="Also if its recorder may still run.")]


def end(
    store: StoreUrl,
    session: Annotated[
        str | None,
        typer.Argument(
            help='Session id or unique prefix; put -- before an id that starts with "-".',
            show_default=False,
        ),
    ] = None,
    *,
    gone: Annotated[
        bool, typer.Option("--gone", help="End all sessions whose recorder is certainly gone.")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="End it as failed, for this reason; otherwise it is closed in order."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """End a session that nobody else will end, for example because its recorder was killed.

    With --gone, all sessions whose recorder is certainly gone are ended as failed, and their
    failure says why. Exit code 1 if the session does not exist or has ended already, or if there
    was none to end.
    """
    if gone == (session is not None):
        raise typer.BadParameter("give one session id, or --gone", param_hint="SESSION, --gone")
    if session is None:
        if reason is not None:
            raise typer.BadParameter("--gone says why by itself", param_hint="--reason")
        return run_command(_end_gone(store, as_json=as_json))
    if reason is not None and not _is_reason(reason):
        limits = f"1 to {_LONGEST_REASON:,} characters of UTF-8"
        raise typer.BadParameter(limits, param_hint="--reason")
    return run_command(_end(store, session, reason, force=force, as_json=as_json))


def rm(
    store: StoreUrl,
    sessions: Annotated[
        list[str],
        typer.Argument(
            metavar="SESSION...",
            help='Session ids or unique prefixes; put -- before an id that starts with "-".',
            show_default=False,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Delete sessions with their frames.

    On a terminal it asks first. Nothing is deleted if one of the ids is not known, or is the start
    of several, or belongs to a session whose recorder may still run. Exit code 1 if a session does
    not exist, or if the answer was no.
    """
    return run_command(_rm(store, sessions, yes=yes, force=force, as_json=as_json))


def purge(
    store: StoreUrl,
    ended_before: Annotated[
        datetime | None, typer.Option(help="Only sessions that ended before this time (UTC).")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Only sessions that ended at least this long ago: 90s, 30m, 12h, 7d, 4w."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """End sessions whose recorder is gone, then delete ended sessions with their frames.

    Give at least one option; with both, a session must match both. Other sessions that have not
    ended always stay. Exit code 1 if there was no session to end or delete.
    """
    if ended_before is None and older_than is None:
        raise typer.BadParameter("one is required", param_hint="--ended-before, --older-than")
    ended_for = None if older_than is None else _seconds(older_than)
    if ended_before is not None and ended_before.tzinfo is None:
        ended_before = ended_before.replace(tzinfo=UTC)
    purging = _would_purge if dry_run else _purge
    return run_command(purging(store, ended_before, ended_for, as_json=as_json))


def _is_reason(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are not UTF-8
        return False
    return 1 <= len(text) <= _LONGEST_REASON


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if found is None:
        raise typer.BadParameter(
            "give a number and a unit: 90s, 30m, 12h, 7d or 4w", param_hint="--older-than"
        )
    return float(int(found[1]) * _UNITS[found[2]])


async def _end(url: str, asked: str, reason: str | None, *, force: bool, as_json: bool) -> int:
    state = SessionState.CLOSED if reason is None else SessionState.FAILED

    def finish(session: Session) -> Session:
        if session.state.is_terminal:
            raise InvalidTransition(session.id, session.state, state)
        return without_lease(session).model_copy(update={"state": state, "failure": reason})

    async with open_store(url) as store:
        session = await find_session(store, asked)
        if not force and _may_be_recorded(session):
            return _refuse_recorded(session, "end")
        try:
            ended = await store.modify_session(session.id, finish)
        except InvalidTransition as error:
            complain(f"session {short_id(session.id)!r} has ended already ({error.from_state})")
            return NOTHING
    _tell({"ended": 1}, f"session {short_id(ended.id)!r} is {ended.state}", as_json=as_json)
    return 0


async def _end_gone(url: str, *, as_json: bool) -> int:
    async with open_store(url) as store:
        ended = await _end_all_gone(store)
    _tell({"ended": ended}, f"{_count(ended)} ended whose recorder is gone", as_json=as_json)
    return 0 if ended else NOTHING


async def _end_all_gone(store: AtomicSessionStore) -> int:
    with progress("looking for recorders that are gone", None) as advance:
        return await end_gone_sessions(store, on_seen=advance)


async def _rm(url: str, asked: list[str], *, yes: bool, force: bool, as_json: bool) -> int:
    async with open_store(url) as store:
        found = {each.id: each for each in [await find_session(store, each) for each in asked]}
        for session in found.values():
            if not force and _may_be_recorded(session):
                return _refuse_recorded(session, "delete")
        if not yes and sys.stdin.isatty() and not _confirm(list(found.values())):
            complain("nothing was deleted")
            return NOTHING
        with progress("deleting", len(found)) as advance:
            for session_id in found:
                try:
                    await store.delete_session(session_id)
                except SessionNotFound:
                    if len(found) == 1:
                        raise
                advance(1)
    _tell({"deleted": len(found)}, f"{_count(len(found))} deleted", as_json=as_json)
    return 0


async def _purge(
    url: str, ended_before: datetime | None, ended_for: float | None, *, as_json: bool
) -> int:
    purged = 0
    async with open_store(url) as store:
        ended = await _end_all_gone(store)
        with progress("purging", None) as advance:
            while count := await store.purge_sessions(
                ended_before=ended_before, ended_for=ended_for, limit=_PURGED
            ):
                purged += count
                advance(count)
    beside = f"{_count(ended)} ended whose recorder is gone; " if ended else ""
    _tell({"ended": ended, "purged": purged}, f"{beside}{_count(purged)} purged", as_json=as_json)
    return 0 if ended or purged else NOTHING


async def _would_purge(
    url: str, ended_before: datetime | None, ended_for: float | None, *, as_json: bool
) -> int:
    now = datetime.now(UTC)
    try:
        latest = now if ended_for is None else now - timedelta(seconds=ended_for)
    except OverflowError:  # before the first year
        latest = datetime.min.replace(tzinfo=UTC)

    def is_due(ended_at: datetime | None) -> bool:
        if ended_at is None or ended_at > latest:
            return False
        return ended_before is None or ended_at < ended_before

    ended = purged = 0
    async with open_store(url) as store:
        with progress("looking", await store.count_sessions()) as advance:
            async for sessions in find_live_sessions(store):
                ended += sum(recorder_state(each) is RecorderState.GONE for each in sessions)
                advance(len(sessions))
            async for sessions in _pages(store, _ENDED):
                purged += sum(is_due(each.ended_at) for each in sessions)
                advance(len(sessions))
    if is_due(now):
        purged += ended
    _tell(
        {"dry_run": True, "ended": ended, "purged": purged},
        f"would end {_count(ended)} whose recorder is gone, and purge {_count(purged)}",
        as_json=as_json,
    )
    return 0 if ended or purged else NOTHING


async def _pages(store: AtomicSessionStore, query: SessionQuery) -> AsyncIterator[list[Session]]:
    cursor: str | None = None
    while True:
        page = await store.find_sessions(query, cursor=cursor, limit=_PAGE)
        yield list(page.sessions)
        cursor = page.cursor
        if cursor is None:
            return


def _may_be_recorded(session: Session) -> bool:
    return recorder_state(session) in (RecorderState.RUNNING, RecorderState.SILENT)


def _refuse_recorded(session: Session, action: str) -> int:
    complain(
        f"session {short_id(session.id)!r} is {session.state} and its recorder is"
        f" {recorder_state(session)}; give --force to {action} it nevertheless"
    )
    return BAD_INPUT


def _confirm(sessions: list[Session]) -> bool:
    for each in sessions[:10]:
        complain(f"{short_id(each.id)}: {each.state}, {each.frame_count} frames")
    if len(sessions) > 10:
        complain(f"and {len(sessions) - 10} more")
    sys.stderr.write(f"delete {_count(len(sessions))} with all frames? [y/N] ")
    sys.stderr.flush()
    with interruptible():
        answer = sys.stdin.readline()
    return answer.strip().lower() in ("y", "yes")


def _count(number: int) -> str:
    return f"{number:,} {'session' if number == 1 else 'sessions'}"


def _tell(numbers: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(numbers))
    else:
        complain(text)
