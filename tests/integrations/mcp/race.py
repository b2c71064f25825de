"""Running calls whose clients leave and come back, all at once, on our manager and on theirs."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sessionkeeper.integrations.mcp import StoredSessionManager
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.integrations.peers import fetch_source

from .raw_client import RawClient, read_all, said
from .servers import app_of, serving
from .tools import make_server

__all__ = ["SIDES", "STEPS", "kept_by", "shown_to_bob"]

STEPS = 7
SIDES = ("ours", "mcp-persist", "the SDK's example")
_EXAMPLE = "examples/servers/simple-streamablehttp/mcp_simple_streamablehttp/event_store.py"


@asynccontextmanager
async def two_workers(side: str, place: str) -> AsyncIterator[list[str]]:
    """Two servers on one store; their URLs."""
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(_made(side, place)) for _ in range(2)]
        yield [await stack.enter_async_context(serving(app)) for app in apps]


@asynccontextmanager
async def _made(side: str, place: str) -> AsyncIterator[ASGIApp]:
    server = make_server()
    if side == "ours":
        yield app_of(StoredSessionManager.from_url(server, place))
    elif side == "mcp-persist":
        import aiosqlite
        from mcp_persist import SQLiteEventStore
        from mcp_persist.session_manager import ResumableSessionManager
        from mcp_persist.sessions import session_registry_for

        async with aiosqlite.connect(place) as connection, SQLiteEventStore(connection) as events:
            registry = session_registry_for(events)
            await registry.initialize()
            yield _app_of_theirs(
                ResumableSessionManager(
                    app=server._lowlevel_server, event_store=events, registry=registry
                )
            )
    else:
        yield _app_of_theirs(
            StreamableHTTPSessionManager(server._lowlevel_server, event_store=_example())
        )


def _app_of_theirs(manager: StreamableHTTPSessionManager) -> ASGIApp:
    return Starlette(
        routes=[Route("/mcp", endpoint=manager.asgi_app)], lifespan=lambda _: manager.run()
    )


def _example() -> EventStore:
    source = fetch_source("mcp", has=_EXAMPLE) / _EXAMPLE
    spec = importlib.util.spec_from_file_location("the_sdks_example", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    made: EventStore = module.InMemoryEventStore()
    return made


async def kept_by(side: str, place: str, tasks: int, folder: Path, *, other: bool) -> list[int]:
    """How many of its 8 events each client gets that comes back while its call runs.

    It comes back to the worker of its call, or to the other one. Ours ends each stream; theirs
    leaves those open whose answer was lost, so a second of silence ends those.
    """
    gates = [folder / f"{side}-{other}-{number}" for number in range(tasks)]
    patience = None if side == "ours" else 1.0

    async def one(http: httpx2.AsyncClient, urls: list[str], gate: Path) -> int:
        gate.write_text("0")
        client = RawClient(http, urls[0])
        await client.initialize()
        call = client.calling("steps", number=STEPS, gate=str(gate))
        async with call as events:
            priming = await anext(events)
        client.url = urls[1 if other else 0]
        gate.write_text(str(STEPS + 1))  # it answers while the client comes back
        came: list[Any] = []
        with suppress(TimeoutError, AssertionError):  # 404 is one of theirs
            async with client.listening(after=priming.id) as events:
                while event := await asyncio.wait_for(anext(events, None), patience):
                    came.append(event)
        return len(said(came))

    limits = httpx2.Limits(max_connections=None)
    async with (
        two_workers(side, place) as urls,
        httpx2.AsyncClient(timeout=300, limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        running = [group.create_task(one(http, urls, gate)) for gate in gates]
        return list(await asyncio.gather(*running))


async def shown_to_bob(side: str, place: str) -> list[str]:
    """What a client gets in its own session for an id of another session's event."""
    async with two_workers(side, place) as (url, _), httpx2.AsyncClient(timeout=300) as http:
        alice, bob = RawClient(http, url), RawClient(http, url)
        await alice.initialize()
        await bob.initialize()
        async with alice.calling("say", text="for alice") as events:
            of_alice = await read_all(events)
        async with bob.listening(after=of_alice[0].id) as events:
            first = None
            with suppress(TimeoutError):
                first = await asyncio.wait_for(anext(events, None), 5.0)
            return [] if first is None else said([first])
