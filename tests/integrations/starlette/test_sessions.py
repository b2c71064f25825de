"""The sessions of an application: opened with it, seen by principals, in FastAPI too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from sessionkeeper import (
    ActorSessionStore,
    ManagerConfig,
    PrincipalManager,
    SQLiteSessionStore,
)
from sessionkeeper.integrations.starlette import RequestSessions, problem_handlers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from .application import PING, application, user, watching
from .conftest import Serve, served

ANN, BOB = {"x-user": "ann"}, {"x-user": "bob"}


async def test_a_store_of_a_url_is_opened_and_closed_with_the_application(store_url: str) -> None:
    sessions = RequestSessions.from_url(store_url, principal=user)
    for turn in range(2):
        async with served(application(sessions)) as client:
            created = await client.put("/sessions/one", headers=ANN)
            kept = turn and not store_url.startswith("memory")
            assert created.status_code == (409 if kept else 201)
            answer = await client.post("/sessions/one/messages", headers=ANN, content=PING)
            assert answer.json() == {"seq": 2 if kept else 1}


async def test_an_open_store_stays_open_and_another_one_is_opened(tmp_path: Path) -> None:
    async with ActorSessionStore() as store:
        async with served(application(RequestSessions(store, principal=user))) as client:
            await client.put("/sessions/one", headers=ANN)
        assert store.is_open
        assert await store.count_sessions() == 1
    closed = SQLiteSessionStore(tmp_path / "sessions.db")
    async with served(application(RequestSessions(closed, principal=user))) as client:
        assert closed.is_open
        assert (await client.put("/sessions/one", headers=ANN)).status_code == 201
    assert not closed.is_open


async def test_each_request_sees_the_sessions_of_its_principal(serve: Serve) -> None:
    client = await serve(application(RequestSessions.from_url("memory://", principal=user)))
    await client.put("/sessions/one", headers=ANN)
    for call in (
        client.post("/sessions/one/messages", headers=BOB, content=PING),
        client.post("/sessions/one/end", headers=BOB),
        client.delete("/sessions/one", headers=BOB),
    ):
        assert (await call).status_code == 404
    wrong: list[dict[str, str]] = [{}, {"x-user": ""}, {"x-user": "x" * 5000}]
    for headers in wrong:
        assert (await client.put("/sessions/two", headers=headers)).status_code == 401
    many = await asyncio.gather(
        *(client.post("/sessions/one/messages", headers=ANN, content=PING) for _ in range(20))
    )
    assert sorted(each.json()["seq"] for each in many) == [*range(1, 21)]


async def test_a_principal_may_be_found_by_a_coroutine(serve: Serve) -> None:
    async def find(request: Request) -> str | None:
        await asyncio.sleep(0)
        if "x-banned" in request.headers:
            raise HTTPException(403, "banned")
        return request.headers.get("x-user")

    client = await serve(application(RequestSessions.from_url("memory://", principal=find)))
    assert (await client.put("/sessions/one", headers=ANN)).status_code == 201
    assert (await client.put("/sessions/two")).status_code == 401
    banned = await client.put("/sessions/two", headers={**ANN, "x-banned": "1"})
    assert (banned.status_code, banned.text) == (403, "banned")


sessions = RequestSessions.from_url(
    "memory://", principal=user, config=ManagerConfig(idle=None, age=None)
)
Mine = Annotated[PrincipalManager, Depends(sessions.for_request)]


async def test_fastapi_takes_the_same(serve: Serve) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with sessions.lifespan(app) as state:
            yield {**state, "own": "mine"}

    app = FastAPI(lifespan=lifespan, exception_handlers=problem_handlers())

    @app.put("/sessions/{session_id}")
    async def create(session_id: str, mine: Mine, request: Request) -> dict[str, Any]:
        session = await mine.create_session(id=session_id, transport_type="sse")
        total = await sessions.manager(request).store.count_sessions()
        return {"id": session.id, "total": total, "own": request.state.own}

    @app.delete("/sessions/{session_id}")
    async def delete(session_id: str, mine: Mine) -> None:
        await mine.delete_session(session_id)

    app.get("/sessions/{session_id}/events")(sessions.watch)
    client = await serve(app)
    created = await client.put("/sessions/one", headers=ANN)
    assert created.json() == {"id": "one", "total": 1, "own": "mine"}
    assert (await client.put("/sessions/one", headers=BOB)).status_code == 409
    assert (await client.delete("/sessions/one", headers=BOB)).status_code == 404
    assert (await client.put("/sessions/two")).status_code == 401
    async with watching(client, "/sessions/one/events") as (_, events):
        await client.delete("/sessions/one", headers=ANN)
        assert (await anext(events))["event"] == "end"
    assert "/sessions/{session_id}/events" in (await client.get("/openapi.json")).json()["paths"]


async def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="a store URL"):
        RequestSessions.from_url("nowhere", principal=user)
    for heartbeat in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="heartbeat"):
            RequestSessions.from_url("memory://", principal=user, heartbeat=heartbeat)
