"""What the page asks for: a frame, a search, problems, context, runs, and the live events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ..values.errors import SessionError, SessionNotFound
from .encoding import as_json
from .frame_fields import frame_fields
from .live import LiveResponse
from .page import served_page
from .reports import read_context, read_problems, read_runs
from .search import search_log
from .session_list import SessionList

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from ..interface.atomic_store import AtomicSessionStore

__all__ = ["make_app"]

_LONGEST_SEARCH = 200
_Answer = Callable[["Request"], Awaitable[object]]


class _Api:
    def __init__(self, store: AtomicSessionStore, name: str, closing: asyncio.Event) -> None:
        self._store = store
        self._name = name
        self._closing = closing
        self._sessions = SessionList(store)

    async def store(self, _: Request) -> object:
        return {"name": self._name}

    async def live(self, request: Request) -> ASGIApp:
        """Answer with the events of the store, and of one session; `newest` is the last used."""
        key = request.query_params.get("session")
        shown = None
        if key == "newest":
            shown = next(iter(await self._sessions.sessions()), None)
        elif key:
            shown = await self._sessions.find(key)
        return LiveResponse(self._store, self._sessions, shown, self._closing)

    async def frame(self, request: Request) -> object:
        session = await self._sessions.find(request.path_params["key"])
        seq = request.path_params["seq"]
        if seq < 1:
            return None
        frames = await self._store.read_frames(
            session.id, after=seq - 1, limit=1, incarnation=session.incarnation
        )
        if not frames or frames[0].seq != seq:
            return None
        return frame_fields(frames[0], whole="whole" in request.query_params)

    async def search(self, request: Request) -> object:
        session = await self._sessions.find(request.path_params["key"])
        text = request.query_params.get("text", "")[:_LONGEST_SEARCH]
        found, complete = await search_log(self._store, session.id, text) if text else ([], True)
        return {"found": found, "complete": complete}

    async def problems(self, _: Request) -> object:
        return await read_problems(self._store, await self._sessions.sessions())

    async def context(self, _: Request) -> object:
        return await read_context(self._store, await self._sessions.sessions())

    async def runs(self, _: Request) -> object:
        return await read_runs(self._store, await self._sessions.sessions())


def make_app(store: AtomicSessionStore, name: str, closing: asyncio.Event) -> ASGIApp:
    """Return the application for a store; `closing` ends its live connections."""
    api = _Api(store, name, closing)

    async def page(_: Request) -> Response:
        return HTMLResponse(served_page())

    key = "/api/sessions/{key:str}"
    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/store", _answered(api.store)),
            Route("/api/live", _live(api)),
            Route("/api/problems", _answered(api.problems)),
            Route("/api/context", _answered(api.context)),
            Route("/api/runs", _answered(api.runs)),
            Route(f"{key}/frames/{{seq:int}}", _answered(api.frame)),
            Route(f"{key}/search", _answered(api.search)),
        ]
    )


def _answered(answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            found = await answer(request)
        except SessionError as error:
            return _refused(error)
        if found is None:
            return JSONResponse({"text": "it is not there any more"}, 404)
        return Response(as_json(found), media_type="application/json")

    return endpoint


def _live(api: _Api) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await api.live(request)  # type: ignore[return-value]  # any ASGI application will do
        except SessionError as error:
            return _refused(error)

    return endpoint


def _refused(error: SessionError) -> Response:
    gone = isinstance(error, SessionNotFound)
    text = "this session does not exist any more" if gone else str(error)
    return JSONResponse({"text": text}, 404 if gone else 503)
