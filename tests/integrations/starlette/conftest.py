"""An application under a real uvicorn server on a loopback port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

pytest.importorskip("starlette", reason="starlette is not installed", exc_type=ImportError)
pytest.importorskip("fastapi", reason="fastapi is not installed", exc_type=ImportError)
pytest.importorskip("uvicorn", reason="uvicorn is not installed", exc_type=ImportError)
pytest.importorskip("httpx", reason="httpx is not installed", exc_type=ImportError)

import httpx
import uvicorn

Serve = Callable[[Any], Awaitable[httpx.AsyncClient]]


class _Server(uvicorn.Server):
    """Leaves the signals to the tests: it would give the loop's handler back after the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application on this loop, and give a client of it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, lifespan="on", log_level="error", ws="none", timeout_graceful_shutdown=5
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started:
                assert not serving.done(), "the server did not start"
                await asyncio.sleep(0.005)
            host, port = listening.getsockname()
            async with httpx.AsyncClient(
                base_url=f"http://{host}:{port}", timeout=60, trust_env=False
            ) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve applications until the end of the test."""
    async with AsyncExitStack() as stack:

        async def serve(app: Any) -> httpx.AsyncClient:
            return await stack.enter_async_context(served(app))

        yield serve
