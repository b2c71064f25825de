"""Serves the page of one store on loopback, until it is cancelled."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn

from .api import make_app
from .guard import Guard
from .page import SERVED, policy_of

if TYPE_CHECKING:
    from ..interface.atomic_store import AtomicSessionStore

__all__ = ["ViewServer"]

_HOST = "127.0.0.1"
_HEADERS = {
    "Content-Security-Policy": policy_of(SERVED) + "; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ENDING = 0.5
"""Seconds for the connections to end by themselves."""


class ViewServer:
    """One server with a token of its own. The port is bound when it is made.

    Raises `OSError` if the port is taken.
    """

    def __init__(self, store: AtomicSessionStore, name: str, *, port: int = 0) -> None:
        self._socket = socket.create_server((_HOST, port))
        self._token = secrets.token_urlsafe(24)
        self._closing = asyncio.Event()
        app = Guard(make_app(store, name, self._closing), self._token, _HEADERS)
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def address(self, **state: str) -> str:
        """Return the address of the page, with the token and a state in its fragment."""
        more = "".join(f"&{name}={value}" for name, value in state.items())
        return f"http://{_HOST}:{self.port}/#key={self._token}{more}"

    async def run(self) -> None:
        """Serve until the task is cancelled. Then live connections end at once."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            self._closing.set()
            self._server.should_exit = True
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(serving, _ENDING)
            self._socket.close()


class _Server(uvicorn.Server):
    """Leaves the signals to the command line."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
