"""`sessionkeeper purge` ends sessions whose recorder is gone, and deletes old ones."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..leases import RecorderState, find_live_sessions, recorder_state
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .progress import progress
from .removal import end_all_gone, format_count, tell
from .stores import NOTHING, AsJson, StoreUrl, open_store, run_command

__all__ = ["purge"]

_PAGE = 1_000
_PURGED = 100
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_ENDED = SessionQuery(states=frozenset(each for each in SessionState if each.is_terminal))


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


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if found is None:
        raise typer.BadParameter(
            "give a number and a unit: 90s, 30m, 12h, 7d or 4w", param_hint="--older-than"
        )
    return float(int(found[1]) * _UNITS[found[2]])


async def _purge(
    url: str, ended_before: datetime | None, ended_for: float | None, *, as_json: bool
) -> int:
    purged = 0
    async with open_store(url) as store:
        ended = await end_all_gone(store)
        with progress("purging", None) as advance:
            while count := await store.purge_sessions(
                ended_before=ended_before, ended_for=ended_for, limit=_PURGED
            ):
                purged += count
                advance(count)
    beside = f"{format_count(ended)} ended whose recorder is gone; " if ended else ""
    tell(
        {"ended": ended, "purged": purged},
        f"{beside}{format_count(purged)} purged",
        as_json=as_json,
    )
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
    text = f"would end {format_count(ended)} whose recorder is gone"
    numbers = {"dry_run": True, "ended": ended, "purged": purged}
    tell(numbers, f"{text}, and purge {format_count(purged)}", as_json=as_json)
    return 0 if ended or purged else NOTHING


async def _pages(store: AtomicSessionStore, query: SessionQuery) -> AsyncIterator[list[Session]]:
    cursor: str | None = None
    while True:
        page = await store.find_sessions(query, cursor=cursor, limit=_PAGE)
        yield list(page.sessions)
        cursor = page.cursor
        if cursor is None:
            return
