"""Each error has one answer of HTTP, and no answer has a secret."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sessionkeeper import (
    ActorSessionStore,
    BackendNotImplemented,
    InvalidMessage,
    InvalidSessionId,
    InvalidTransition,
    LimitExceeded,
    LogReplaced,
    ManagerConfig,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionError,
    SessionExists,
    SessionNotFound,
    SessionState,
    StoreClosed,
    StoreLimits,
    StoreUnavailable,
    VersionConflict,
)
from sessionkeeper.integrations.starlette import (
    RequestSessions,
    problem_handlers,
    problem_response,
    status_of,
)
from sessionkeeper.integrations.starlette.problems import InvalidEventId
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from .application import PING, application, user
from .conftest import Serve

SECRET = "a-secret-id-of-a-session"
ANN = {"x-user": "ann"}

ERRORS: list[tuple[SessionError, int, dict[str, Any]]] = [
    (SessionNotFound(SECRET), 404, {}),
    (SessionExists(SECRET), 409, {}),
    (SessionClosed(SECRET, SessionState.CLOSED), 409, {"state": "closed"}),
    (RevisionConflict(SECRET, expected=987654, current=987655), 409, {}),
    (SequenceConflict(SECRET, expected=1, current=2), 409, {"current": 2}),
    (LogReplaced(SECRET, after=1), 410, {}),
    (
        InvalidTransition(SECRET, SessionState.CLOSED, SessionState.ACTIVE),
        409,
        {"from": "closed", "to": "active"},
    ),
    (VersionConflict(negotiated="987654", offered="x"), 409, {}),
    (InvalidMessage("invalid JSON"), 400, {"reason": "invalid JSON"}),
    (InvalidSessionId(), 400, {}),
    (InvalidEventId(), 400, {}),
    (
        LimitExceeded("max_sessions", current=987654, maximum=7),
        507,
        {"limit": "max_sessions", "maximum": 7},
    ),
    (
        LimitExceeded("max_frame_bytes", current=987654, maximum=7),
        413,
        {"limit": "max_frame_bytes", "maximum": 7},
    ),
    (
        LimitExceeded("max_pending", current=987654, maximum=7),
        429,
        {"limit": "max_pending", "maximum": 7},
    ),
    (RateLimited(7, retry_after=1.5), 429, {"retry_after": 1.5}),
    (Overloaded(), 503, {}),
    (StoreClosed(), 503, {}),
    (StoreUnavailable(f"no server at {SECRET}"), 503, {}),
    (OutcomeUnknown(SECRET), 500, {}),
    (BackendNotImplemented("redis"), 500, {}),
    (SessionError(SECRET), 500, {}),
]


def kinds(root: type[SessionError]) -> set[type[SessionError]]:
    return {root}.union(*(kinds(each) for each in root.__subclasses__()))


@pytest.mark.any_loop
def test_every_error_of_the_library_has_an_answer() -> None:
    own = ("sessionkeeper.values.", "sessionkeeper.integrations.starlette.")
    ours = {kind for kind in kinds(SessionError) if kind.__module__.startswith(own)}
    assert ours == {type(error) for error, _, _ in ERRORS}


@pytest.mark.parametrize(
    ("error", "status", "members"), ERRORS, ids=lambda each: type(each).__name__
)
@pytest.mark.any_loop
def test_an_error_is_a_problem_without_a_secret(
    error: SessionError, status: int, members: dict[str, Any]
) -> None:
    response = problem_response(error)
    assert response.status_code == status == status_of(error)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    problem = json.loads(bytes(response.body))
    assert problem.pop("type").startswith("urn:sessionkeeper:problem:")
    assert problem.pop("title")
    assert problem.pop("status") == status
    assert problem == members
    assert SECRET[:8] not in bytes(response.body).decode()
    assert b"987654" not in response.body


@pytest.mark.any_loop
def test_an_error_of_a_program_is_answered_as_what_it_comes_from() -> None:
    class Own(SessionNotFound):
        """An error of a program."""

    assert json.loads(bytes(problem_response(Own("x")).body))["status"] == 404


async def test_a_server_answers_what_a_store_raises(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    limits = StoreLimits(max_sessions=2, max_frame_bytes=100)
    config = ManagerConfig(rate_limit=0.001, rate_burst=2)
    async with ActorSessionStore(limits=limits) as store:
        client = await serve(application(RequestSessions(store, principal=user, config=config)))

        async def kind(response: httpx.Response) -> tuple[int, str]:
            assert response.headers["content-type"] == "application/problem+json"
            return response.status_code, response.json()["type"].rpartition(":")[2]

        async def send(content: bytes = PING, session: str = "one") -> httpx.Response:
            path = f"/sessions/{session}/messages"
            return await client.post(path, headers=ANN, content=content)

        assert (await client.put("/sessions/one", headers=ANN)).status_code == 201
        taken = await client.put("/sessions/one", headers={"x-user": "mallory"})
        assert await kind(taken) == (409, "session-exists")
        assert await kind(await send(session="none")) == (404, "session-not-found")
        assert await kind(await send(b"[1]")) == (400, "invalid-message")
        assert await kind(await send(PING + b" " * 100)) == (413, "limit-exceeded")
        assert (await send()).json() == {"seq": 1}
        assert (await send()).json() == {"seq": 2}
        limited = await send()
        assert await kind(limited) == (429, "rate-limited")
        assert int(limited.headers["retry-after"]) >= limited.json()["retry_after"]
        await client.put("/sessions/two", headers=ANN)
        full = await client.put("/sessions/three", headers=ANN)
        assert await kind(full) == (507, "limit-exceeded")
        assert "current" not in full.json()
        await client.post("/sessions/two/end", headers=ANN)
        closed = await send(session="two")
        assert await kind(closed) == (409, "session-closed")
        for method, path in (("GET", "events"), ("POST", "end")):
            bad = await client.request(method, f"/sessions/{'x' * 129}/{path}", headers=ANN)
            assert await kind(bad) == (400, "invalid-session-id")
    assert await kind(await send(session="two")) == (503, "store-closed")
    assert "StoreClosed was answered by 503" in caplog.text


async def test_other_errors_stay_the_applications(serve: Serve) -> None:
    async def fail(_: Request) -> Any:
        raise LookupError(SECRET)

    app = Starlette(routes=[Route("/", fail)], exception_handlers=problem_handlers())
    app.router.lifespan_context = RequestSessions.from_url("memory://", principal=user).lifespan
    client = await serve(app)
    response = await client.get("/")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
