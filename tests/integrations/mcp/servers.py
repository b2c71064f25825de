"""Real servers under uvicorn: in this process, and in processes of their own."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from redis_ports import ReservedPort
from sessionkeeper.integrations.mcp import StoredSessionManager
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

__all__ = ["Worker", "app_of", "serving", "workers"]


class _Server(uvicorn.Server):
    """Leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def app_of(manager: StoredSessionManager) -> ASGIApp:
    """The application that the documentation shows."""
    return Starlette(
        routes=[Route("/mcp", endpoint=manager.asgi_app)], lifespan=lambda _: manager.run()
    )


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application here while the block runs; the URL of its `/mcp`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await task
        listener.close()


class Worker:
    """A server in a process of its own; `kill` and `start` keep its port."""

    def __init__(self, store_url: str, *, idle: float = 1800.0) -> None:
        self._store_url = store_url
        self._idle = idle
        self._reserved = ReservedPort()  # nobody else takes it while the worker is down
        self._port = self._reserved.number
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._port}/mcp"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        program = Path(__file__).with_name("server_process.py")
        self._process = process = subprocess.Popen(
            (sys.executable, program, self._store_url, str(self._port), str(self._idle)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert int(await asyncio.to_thread(process.stdout.readline)) == self._port

    def free(self) -> None:
        """Give its port back."""
        self._reserved.free()

    async def kill(self) -> None:
        """End it with SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in good order."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        await asyncio.to_thread(process.wait)
        assert process.stdout is not None
        process.stdout.close()


@asynccontextmanager
async def workers(store_url: str, number: int) -> AsyncIterator[list[Worker]]:
    """Several workers on one store."""
    all_of_them = [Worker(store_url) for _ in range(number)]
    try:
        for each in all_of_them:
            await each.start()
        yield all_of_them
    finally:
        for each in all_of_them:
            await each.kill()
            each.free()
