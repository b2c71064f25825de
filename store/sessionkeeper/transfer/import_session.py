"""Imports one session of an export into a store: whole, with its own times, or not at all.

An unfinished session initializes and has two tags: one by which all unfinished sessions are found,
and one of this import, which identifies its session also when an answer is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_urlsafe

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import (
    OutcomeUnknown,
    RevisionConflict,
    SessionClosed,
    SessionError,
    SessionExists,
    SessionNotFound,
    short_id,
)
from ..values.lease import without_lease
from ..values.session import Session
from ..values.states import SessionState
from .append_frames import TRIES, BatchSizes, append_frames
from .export_format import StoredSession
from .same_session import is_same
from .used_numbers import use_numbers

__all__ = [
    "KEPT_NUMBERS",
    "UNFINISHED",
    "UnfinishedSession",
    "first_number",
    "import_session",
    "unfinished",
]

KEPT_NUMBERS = 100_000
"""Maximum number of trimmed frames whose numbers an import uses up, by appending as many."""

UNFINISHED = "sessionkeeper:unfinished"
"""Tag of a session whose import or copy is under way, or was killed."""


class UnfinishedSession(SessionExists):
    """A session with this id exists, but it is unfinished: its import or copy was killed, or still
    runs."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.args = (
            f"session {short_id(session_id)!r} is there, unfinished: its import or copy is under"
            " way or was killed; delete it and import it again",
        )


def first_number(stored: StoredSession) -> int:
    """Return the number that the first frame of a session gets when it is imported."""
    return stored.trimmed + 1 if stored.trimmed <= KEPT_NUMBERS else 1


def unfinished(session: Session, *tags: str) -> Session:
    """Return a session as it is created, before its frames and its own times follow."""
    begun = {"state": SessionState.INITIALIZING, "failure": None, "tags": {UNFINISHED, *tags}}
    begun["expires_at"] = None  # or a sweep could end it before its frames are there
    return session.model_copy(update=begun)


async def import_session(
    store: AtomicSessionStore,
    stored: StoredSession,
    /,
    *,
    sizes: BatchSizes | None = None,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Session:
    """Create a session with its id, fields, frames, times and end, and return what is stored.

    Its frames keep their numbers, if at most `KEPT_NUMBERS` before them are gone; otherwise, and
    after frames that a damaged file has lost, they are numbered on.

    Not atomic: until its last step, others see a session that initializes and has the tag
    `UNFINISHED`. When it fails, also by being cancelled at any moment, what was created is deleted
    again before the error is raised; a note says what could not be. A lost answer is looked up.

    Raises `SessionExists`, `UnfinishedSession`, `LimitExceeded`, as the store does, `ValueError`
    for times that a store does not take, and `NotImplementedError` if it archives no session.
    """
    importing = _Import(store, stored, BatchSizes() if sizes is None else sizes, on_frames)
    # A separate task: a caller cancelled during the answer would not know whether it was created.
    creating = asyncio.ensure_future(importing.begin())
    try:
        return await importing.finish(await asyncio.shield(creating))
    except BaseException as error:
        undoing = asyncio.ensure_future(importing.undo(creating))
        while not undoing.done():  # despite cancellations
            with suppress(asyncio.CancelledError):
                await asyncio.wait({undoing})
        if undoing.cancelled() or undoing.exception() is not None:
            error.add_note(
                f"what was imported of session {short_id(stored.session.id)!r} could not be deleted"
                f" again: if it is there, it has the tag {UNFINISHED}"
            )
        raise


class _Import:
    def __init__(
        self,
        store: AtomicSessionStore,
        stored: StoredSession,
        sizes: BatchSizes,
        on_frames: Callable[[int], None],
    ) -> None:
        self._store, self._stored = store, stored
        self._sizes, self._on_frames = sizes, on_frames
        self._id = stored.session.id
        self._own_tag = f"sessionkeeper:import-{token_urlsafe(12)}"
        session = without_lease(stored.session)
        if session.state.is_terminal and session.ended_at is None:
            session = session.model_copy(update={"ended_at": datetime.now(UTC)})
        self._wanted = session

    async def begin(self) -> Session:
        """Create the session; a repeated call has no effect. Raises `SessionExists`."""
        begun = unfinished(self._wanted, self._own_tag)
        for attempt in range(TRIES):
            try:
                session, _ = await self._store.get_or_create_session(begun)
            except OutcomeUnknown:
                if attempt == TRIES - 1:
                    raise
                continue
            if self._own_tag in session.tags:
                return session
            if UNFINISHED in session.tags:
                raise UnfinishedSession(self._id)
            raise SessionExists(self._id)
        raise AssertionError  # the last attempt raises or returns

    async def finish(self, begun: Session) -> Session:
        """Append the frames, and give the session its times and its end."""
        frames, gone = self._stored.frames, first_number(self._stored) - 1
        await use_numbers(self._store, self._id, after=0, up_to=gone, sizes=self._sizes)
        await append_frames(
            self._store,
            self._id,
            frames,
            after=gone,
            sizes=self._sizes,
            on_frames=self._on_frames,
        )
        wanted = self._wanted.model_copy(update={"revision": begun.revision})
        last = gone + len(frames)
        for attempt in range(TRIES):
            try:
                return await self._store.archive_session(wanted, expected_last_seq=last)
            except OutcomeUnknown:
                if attempt == TRIES - 1:
                    raise
            except (RevisionConflict, SessionClosed):
                # After a lost answer, this very step may have changed it.
                there = await self._store.get_session(self._id)
                if not attempt or not is_same(there, wanted):
                    raise
                return there
        raise AssertionError  # as above

    async def undo(self, creating: asyncio.Future[Session]) -> None:
        """Delete what this import created. Raises the store's error if the outcome is unknown."""
        try:
            await creating
        except OutcomeUnknown:
            pass
        except (SessionError, ValueError):
            return  # it was not created
        for attempt in range(TRIES):
            try:
                there = await self._store.get_session(self._id)
                if self._own_tag in there.tags or is_same(there, self._wanted):
                    await self._store.delete_session(self._id)
            except SessionNotFound:
                return
            except OutcomeUnknown:
                if attempt == TRIES - 1:
                    raise
                continue
            return
