"""All sessions of a store into another."""

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
    """What became of the sessions of a source."""

    sessions: int = 0
    """Found the same on both sides, in every field of the caller's, every time and every frame."""
    frames: int = 0
    """Of these sessions."""
    added: int = 0
    """Frames this call brought over; the others were at the target before."""
    gone: int = 0
    """Sessions deleted at the source meanwhile."""
    digest: str = ""
    """SHA-256 over the digests of these sessions, in the order they were read."""
    differences: list[str] = field(default_factory=list[str])
    """What could not be copied, a sentence each, with the beginning of the id only."""


async def copy_sessions(
    source: AtomicSessionStore,
    target: AtomicSessionStore,
    /,
    *,
    on_session: Callable[[], None] = lambda: None,
    on_frames: Callable[[int], None] = lambda count: None,
) -> CopyReport:
    """Bring every session of `source` into `target`, and compare both sides whole.

    Called again after it was interrupted, it goes on where it was. Ids, the caller's fields,
    states, times, frames and their numbers are kept; revisions are the target's own. What is
    written to the source meanwhile may or may not come along: each session is copied as it was at
    one moment after this call began. Until a session is whole at the target, it initializes and has
    the tag `UNFINISHED`. A session that is at the target with other content stays as it is and is
    reported. `on_session` is called after each session, `on_frames` with the number of frames that
    were appended.

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
                raise Missing  # what was read after the session may be another one's
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
            # Another session has its id by now: what this call made is of the one that is gone.
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
    """Take a step that may be taken twice, until its outcome is known or hope is lost."""
    for _ in range(TRIES - 1):
        try:
            return await step(store, session)
        except OutcomeUnknown:
            continue
    return await step(store, session)


async def _forget(target: AtomicSessionStore, session: Session) -> None:
    """Take back what this call made of a session that is not to be copied after all."""
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
    """Do it all at once; the first error ends the rest, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
