"""An application with sessions, and a reader of its streams of events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sessionkeeper import MessageEnvelope
from sessionkeeper.integrations.starlette import RequestSessions, problem_handlers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def user(request: Request) -> str | None:
    return request.headers.get("x-user")


def application(sessions: RequestSessions) -> Starlette:
    """An application that opens, records, ends and watches sessions."""

    async def open_session(request: Request) -> Response:
        mine = await sessions.for_request(request)
        session = await mine.create_session(
            id=request.path_params["session_id"], transport_type="streamable-http"
        )
        return JSONResponse({"id": session.id}, 201)

    async def message(request: Request) -> Response:
        mine = await sessions.for_request(request)
        envelope = MessageEnvelope.of(
            request.path_params["session_id"],
            await request.body(),
            direction="client-to-server",
            strict="lax" not in request.query_params,
        )
        return JSONResponse({"seq": await mine.record(envelope)})

    async def end(request: Request) -> Response:
        mine = await sessions.for_request(request)
        await mine.complete_session(request.path_params["session_id"])
        return Response(status_code=204)

    async def delete(request: Request) -> Response:
        mine = await sessions.for_request(request)
        await mine.delete_session(request.path_params["session_id"])
        return Response(status_code=204)

    place = "/sessions/{session_id}"
    return Starlette(
        lifespan=sessions.lifespan,
        exception_handlers=problem_handlers(),
        routes=[
            Route(place, open_session, methods=["PUT"]),
            Route(place, delete, methods=["DELETE"]),
            Route(f"{place}/messages", message, methods=["POST"]),
            Route(f"{place}/end", end, methods=["POST"]),
            Route(f"{place}/events", sessions.watch),
        ],
    )


@asynccontextmanager
async def watching(
    client: httpx.AsyncClient, path: str, *, user: str = "ann", last: str | None = None
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[dict[str, Any]]]]:
    """Ask for a stream of events; the events come as their fields."""
    headers = {"x-user": user} | ({} if last is None else {"last-event-id": last})
    async with client.stream("GET", path, headers=headers) as response:
        yield response, _events(response)


async def refusal(client: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    """Ask for a stream that is refused; one that begins would never end."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream("GET", path, headers=named) as response:
        assert response.status_code >= 400
        await response.aread()
    return response


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in response.aiter_lines():
        if not line:
            if "data" in event:
                yield {**event, "data": json.loads(event["data"])}
            elif event:
                yield event
            event = {}
            continue
        name, _, value = line.partition(":")
        assert name not in event, "one line a field"
        event[name] = value.removeprefix(" ")
