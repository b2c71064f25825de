"""ADK's session service on a store of this library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal, Self, TypeVar

from google.adk.events.event import Event
from google.adk.platform import time as platform_time
from google.adk.platform import uuid as platform_uuid
from google.adk.sessions.base_session_service import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
)
from google.adk.sessions.session import Session as AdkSession

from sessionkeeper import AtomicSessionStore, StorageBackend, StorageFactory

from .documents import shared_state
from .events import read_state, write_event
from .places import Place, Places, Scope, checked_text
from .reading import list_sessions, read_session
from .records import Records
from .writing import Appending, create_session, delete_session, sets_elsewhere

__all__ = ["StoreSessionService"]

R = TypeVar("R")

MOST_LOOKED_AT = 100
"""Events of the caller's session among which one is looked for that comes again."""


class StoreSessionService(BaseSessionService):
    """Sessions of ADK in a store: no acknowledged event is lost, and none is stored twice.

    `store` is open and stays open; `from_url` opens one of its own. It may be the view of a
    principal, who then needs a `namespace` of his own.

    `stale` says what `append_event` does with a session that others have appended to since it was
    read. `refuse` raises ADK's `StaleSessionError`, as ADK's contract has it. `merge` appends the
    event and sets the keys of its state delta, whatever they were set to meanwhile: no event is
    refused or lost, and the last one to set a key wins, even one that has read an old value.

    `home` says what has a record of the store. An event is one step with the state that lives in
    the same record. With `session`, each session has one, and so have the state of each user and
    of each application: those are set in steps of their own, after the event. With `user`, the
    sessions of a user share one with the state of the user, and with `app`, all of an application
    share one. `docs/integrations/google_adk.md` says what that costs, and what a crash between two
    steps leaves. It cannot be changed later. `max_shared_bytes` limits a record of state alone.
    """

    _records: Records | None

    def __init__(
        self,
        store: AtomicSessionStore,
        /,
        *,
        stale: Literal["refuse", "merge"] = "refuse",
        home: Literal["session", "user", "app"] = "session",
        namespace: str = "google-adk",
        max_shared_bytes: int = 512 * 1024,
    ) -> None:
        self._configure(stale, home, namespace, max_shared_bytes)
        self._records = Records(store, self._places, max_shared_bytes)

    @classmethod
    def from_url(
        cls,
        url: StorageBackend | str,
        /,
        *,
        stale: Literal["refuse", "merge"] = "refuse",
        home: Literal["session", "user", "app"] = "session",
        namespace: str = "google-adk",
        max_shared_bytes: int = 512 * 1024,
    ) -> Self:
        """Make a service that opens the store of a URL in `async with`, and closes it.

        For one block at a time: within it, another one raises `RuntimeError`. Raises `ValueError`
        for a wrong option. Entering raises as `StorageFactory.create`.
        """
        service = cls.__new__(cls)
        service._configure(stale, home, namespace, max_shared_bytes)
        service._backend = url
        return service

    def _configure(self, stale: str, home: str, namespace: str, max_shared_bytes: int) -> None:
        if stale not in ("refuse", "merge"):
            raise ValueError("stale is refuse or merge")
        self._merges = stale == "merge"
        if home not in tuple(Scope):
            raise ValueError("home is session, user or app")
        self._places = Places(checked_text("namespace", namespace), Scope(home))
        self._max_shared_bytes = max_shared_bytes
        self._backend: StorageBackend | str | None = None
        self._records = None
        self._is_entered = False
        self._running: dict[object, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> Self:
        if self._backend is None:
            return self
        if self._is_entered:  # the store that is open would be forgotten, and stay open
            raise RuntimeError("its block runs already: it opens one store at a time")
        self._is_entered = True
        try:
            store = await StorageFactory.create(self._backend)
        except BaseException:
            self._is_entered = False
            raise
        self._records = Records(store, self._places, self._max_shared_bytes)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.aclose()
        finally:
            if self._backend is not None:  # the next block opens it again
                self._records, self._is_entered = None, False

    async def aclose(self) -> None:
        """Finish what cancelled callers have begun, then close the store of a URL. Idempotent."""
        while self._running:
            await asyncio.wait([*self._running.values()])
        if self._backend is not None and self._records is not None:
            await self._records.store.aclose()

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> AdkSession:
        """Create a session.

        Raises `AlreadyExistsError`, `InputValidationError`, and errors of the store. One step, but
        for state of `app:` and `user:`, which is set in the next ones.
        """
        place = _place(app_name, user_id, session_id or "")
        if not place.session:
            place = Place(place.app, place.user, platform_uuid.new_uuid())
        deltas = read_state(state or {})
        records, now = self._open, platform_time.get_time()
        return await self._finish(object(), lambda: create_session(records, place, deltas, now))

    async def get_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        config: GetSessionConfig | None = None,
    ) -> AdkSession | None:
        """Return a session; None if there is none.

        Its events and its own state are of one moment; state of `app:` and of `user:` are each of
        one. Raises `InputValidationError`, and errors of the store.
        """
        return await read_session(self._open, _place(app_name, user_id, session_id), config)

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        """Return the sessions of a user or of all, without events, the last changed one last.

        Each thousand of records is of one moment. Raises as `get_session`.
        """
        app = checked_text("app_name", app_name)
        user = None if user_id is None else checked_text("user_id", user_id)
        return ListSessionsResponse(sessions=await list_sessions(self._open, app, user))

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Delete a session with its events, in one step; nothing if there is none.

        Raises as `get_session`.
        """
        records, place = self._open, _place(app_name, user_id, session_id)
        await self._finish(object(), lambda: delete_session(records, place))

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """Return the state of a user in an application, without the prefix `user:`.

        Raises as `get_session`.
        """
        app, user = checked_text("app_name", app_name), checked_text("user_id", user_id)
        record = await self._open.find(Scope.USER, app, user)
        return shared_state(None if record is None else record.metadata, Scope.USER, user)

    async def append_event(self, session: AdkSession, event: Event) -> Event:
        """Append an event to a session, and set its state; return the event.

        `session` and `event` change only when the event is stored. A caller that was cancelled or
        got an error may append the same event to the same session again: it is stored once.

        Raises `SessionNotFoundError`, `StaleSessionError` with `stale="refuse"` and for a session
        that was deleted and created again, `InputValidationError`, and errors of the store. One
        step, but for state of `app:` and `user:`, which is set in the next ones.
        """
        if event.partial or _came_before(session, event):
            return event
        # The names are those that the session has: what was stripped once is not stripped again.
        place = Place(
            checked_text("app_name", session.app_name),
            checked_text("user_id", session.user_id),
            checked_text("id", session.id),
        )
        written = write_event(event)
        appending = Appending(self._open, place, written, self._merges)
        # What takes one step is done or not, also for a caller that is cancelled.
        if sets_elsewhere(self._places, written.deltas):
            seen = await self._finish((place, written.payload), lambda: appending.run(session))
        else:
            seen = await appending.run(session)
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        session.last_update_time = event.timestamp
        seen.mark(session)
        return self._commit_event_to_session(session, event)

    @property
    def _open(self) -> Records:
        if self._records is None:
            raise RuntimeError("the service is not open: use it in `async with`")
        return self._records

    async def _finish(self, key: object, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run steps that belong together to the end, even if the caller is cancelled.

        A caller who tries the same again meanwhile waits for them.
        """
        task: asyncio.Task[R] | None = self._running.get(key)
        if task is None:
            self._running[key] = task = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: object, task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # seen: a caller that was cancelled does not ask for it


def _place(app: str, user: str, session: str) -> Place:
    # ADK's own services strip the id of a session.
    return Place(
        checked_text("app_name", app),
        checked_text("user_id", user),
        checked_text("session_id", session).strip(),
    )


def _came_before(session: AdkSession, event: Event) -> bool:
    """Whether the caller's session has this very event, among its newest ones."""
    newest = session.events[-MOST_LOOKED_AT:]
    return any(each.id == event.id and each == event for each in reversed(newest))
