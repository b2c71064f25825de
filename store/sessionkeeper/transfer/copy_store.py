"""Copies all sessions of a store into another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import (
    OutcomeUnknown,
    SequenceConflict,
    SessionClosed,
    SessionNotFound,
    short_id,
)
from ..values.query import SessionQuery
from ..values.session import Session
from .append_frames import TRIES, BatchSizes
from .copy_frames import Missing
from .copy_session import Differs, SessionCopy, begin
from .next_frames import is_same_life

__all__ = ["CopyReport", "copy_sessions"]

_PAGE = 100
_AT_ONCE = 16

T = TypeVar("T")


@dataclass(slots=True)
class CopyReport:
    """The result of copying the sessions of a source."""

    sessions: int = 0
    """Sessions that are equal on both sides, in every caller's field, time and frame."""
    frames: int = 0
    """Frames of these sessions."""
    added: int = 0
    """Frames that this call copied; the others were at the target before."""
    gone: int = 0
    """Sessions deleted at the source meanwhile."""
    digest: str = ""
    """SHA-256 over the digests of these sessions, in the order they were read."""
    differences: list[str] = field(default_factory=list[str])
    """A sentence for each session that could not be copied, with the beginning of its id."""


async def copy_sessions(
    source: AtomicSessionStore,
    target: AtomicSessionStore,
    /,
    *,
    on_session: Callable[[], None] = lambda: None,
    on_frames: Callable[[int], None] = lambda count: None,
) -> CopyReport:
    """Copy every session of `source` into `target`, and compare both sides completely.

    After an interruption, a new call continues. Ids, the caller's fields, states, times, frames and
    their numbers are kept; the target sets its own revisions. Each session is copied as it was at
    one moment after this call began, so later writes to the source may be missing. Until a session
    is complete at the target, it initializes and has the tag `UNFINISHED`. A session that exists at
    the target with other content is not changed, and is reported. `on_session` is called after each
    session, `on_frames` with the number of frames that were appended.

    Raises what the stores raise, and `NotImplementedError` for a target that archives no session;
    what was copied until then stays. Not atomic.
    """
    report = CopyReport()
    both = _Stores(source, target, BatchSizes(), on_frames)
    whole = sha256()
    async for page in _pages(source):
        # In the source's order, which is then the order of creation at the target as well.
        begun = await _all([_certain(begin, target, session) for session in page])
        for start in range(0, len(page), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            pairs = zip(page[part], begun[part], strict=True)
            for digest in await _all([_copy(both, *pair, report) for pair in pairs]):
                whole.update(digest)
                on_session()
    report.digest = whole.hexdigest()
    report.differences.sort()  # not in the order in which they were found
    return report


@dataclass(frozen=True, slots=True)
class _Stores:
    source: AtomicSessionStore
    target: AtomicSessionStore
    sizes: BatchSizes
    on_frames: Callable[[int], None]


async def _copy(both: _Stores, session: Session, created: bool, report: CopyReport) -> bytes:
    """Copy one session; return its digest, which is empty if the sides are not the same."""
    source, target = both.source, both.target
    reason, known = "", 0
    for _ in range(TRIES):
        attempt = SessionCopy(
            source, target, session, both.sizes, known=known, on_frames=both.on_frames
        )
        try:
            digest = await attempt.run()
            if not await is_same_life(source, session):
                raise Missing  # the frames read after the session may belong to another one
        except Differs as error:
            reason = str(error)
            break
        except Missing:
            reason = "it is trimmed or made anew faster than it can be copied"
        except (SequenceConflict, SessionClosed):
            reason = "somebody else writes to it at the target"
        except OutcomeUnknown as error:
            reason = str(error)
        except SessionNotFound:
            reason = "it was deleted while it was copied"
        else:
            report.sessions += 1
            report.frames += session.frame_count
            return digest
        finally:
            report.added += attempt.added
            known = attempt.known
        before = session
        try:
            session = await source.get_session(session.id)
        except SessionNotFound:
            report.gone += 1
            if created:
                await _certain(_forget, target, session)
            return b""
        if created and session.created_at != before.created_at:
            # Another session has its id by now: this call copied the one that was deleted.
            await _certain(_forget, target, session)
            created, known = False, 0
        created = created or await _certain(begin, target, session)
    report.differences.append(f"session {short_id(session.id)}: {reason}")
    return b""


async def _certain(
    step: Callable[[AtomicSessionStore, Session], Coroutine[Any, Any, T]],
    store: AtomicSessionStore,
    session: Session,
) -> T:
    """Repeat a step that may be applied twice, until its outcome is known or attempts run out."""
    for _ in range(TRIES - 1):
        try:
            return await step(store, session)
        except OutcomeUnknown:
            continue
    return await step(store, session)


async def _forget(target: AtomicSessionStore, session: Session) -> None:
    """Delete what this call created of a session that will not be copied."""
    with suppress(SessionNotFound):
        await target.delete_session(session.id)


async def _pages(store: AtomicSessionStore) -> AsyncIterator[Sequence[Session]]:
    cursor: str | None = None
    while True:
        page = await store.find_sessions(SessionQuery(), cursor=cursor, limit=_PAGE)
        yield page.sessions
        cursor = page.cursor
        if cursor is None:
            return


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all concurrently; the first error ends the rest, and is raised unchanged."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
