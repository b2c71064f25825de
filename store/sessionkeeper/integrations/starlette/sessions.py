"""A manager for the requests of an application, each of which sees its principal's sessions."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypedDict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sessionkeeper import (
    AtomicSessionStore,
    ManagerConfig,
    PrincipalManager,
    SessionError,
    SessionManager,
    StorageBackend,
    backend_from_url,
)

from .event_stream import event_stream, find_start
from .problems import problem_response

__all__ = ["RequestSessions", "SessionsState"]

Principal = Callable[[Request], "str | None | Awaitable[str | None]"]


class SessionsState(TypedDict):
    """What `lifespan` adds to the state of each request."""

    session_manager: SessionManager


class RequestSessions:
    """The sessions of an application: opened in its lifespan, seen by a principal.

    `principal` names who makes a request; None, or a name that no principal can have, is answered
    by 401. It may be a coroutine function, and may raise Starlette's `HTTPException` itself.
    `store` is one of this library; if it is not open, the lifespan opens and closes it.
    `config` is that of the manager. `heartbeat` is the number of seconds after which an idle stream
    of events sends a comment.
    """

    def __init__(
        self,
        store: AtomicSessionStore,
        /,
        *,
        principal: Principal,
        config: ManagerConfig | None = None,
        heartbeat: float = 15.0,
    ) -> None:
        self._configure(store, principal, config, heartbeat)

    @classmethod
    def from_url(
        cls,
        url: StorageBackend | str,
        /,
        *,
        principal: Principal,
        config: ManagerConfig | None = None,
        heartbeat: float = 15.0,
    ) -> Self:
        """Take the store of a URL, which the lifespan opens and closes.

        `config` is that of the manager, and its own `backend` is not used. Raises `ValueError`.
        """
        backend = backend_from_url(url) if isinstance(url, str) else url
        config = (config or ManagerConfig()).model_copy(update={"backend": backend})
        sessions = cls.__new__(cls)
        sessions._configure(None, principal, config, heartbeat)
        return sessions

    def _configure(
        self,
        store: AtomicSessionStore | None,
        principal: Principal,
        config: ManagerConfig | None,
        heartbeat: float,
    ) -> None:
        if not heartbeat > 0:  # also what is no number, NaN
            raise ValueError("heartbeat is a positive number of seconds")
        self._store = store
        self._principal = principal
        self._config = config
        self._heartbeat = heartbeat

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncGenerator[SessionsState, None]:
        """Open the manager on the server's event loop, and close it: an application's `lifespan`.

        Enter it in a lifespan of your own, and yield its state with yours, if you have more to do.
        """
        store = self._store
        if store is None:
            async with SessionManager(self._config) as manager:
                yield {"session_manager": manager}
            return
        opens = not store.is_open
        if opens:
            await store.open()
        try:
            async with SessionManager.with_store(store, self._config) as manager:
                yield {"session_manager": manager}
        finally:
            if opens:
                await store.aclose()

    def manager(self, request: Request) -> SessionManager:
        """Return the manager of all sessions, for what no principal may do."""
        manager: SessionManager = request.state.session_manager
        return manager

    async def for_request(self, request: Request) -> PrincipalManager:
        """Return the view of the request's principal: other sessions do not exist in it.

        Raises `HTTPException` with 401 without a principal.
        """
        found = self._principal(request)
        principal = await found if inspect.isawaitable(found) else found
        try:
            return self.manager(request).for_principal(principal or "")
        except (TypeError, ValueError):
            raise HTTPException(401) from None

    async def watch(self, request: Request) -> Response:
        """Answer with the frames of a session as server-sent events: an endpoint.

        The session is the path parameter `session_id`. Those frames come that there are, then each
        new one. The header `Last-Event-ID` resumes after an event: the id carries the session's
        incarnation, so one of an earlier session of the same id is answered by 404, one that is
        ill-formed by 400, and one that the log has not reached by 410. When the session has ended,
        the event `end` comes, and who resumes after the last frame is answered by 204, which ends
        an `EventSource`.
        """
        session_id = str(request.path_params["session_id"])
        store = (await self.for_request(request)).store
        try:
            start = await find_start(store, session_id, request.headers.get("last-event-id"))
            if start.over:
                return Response(status_code=204)
            watcher = store.watch_frames(
                session_id, after=start.after, incarnation=start.incarnation
            )
        except SessionError as error:
            return problem_response(error)
        return StreamingResponse(
            event_stream(watcher, start.incarnation, self._heartbeat),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
