"""One worker in a process of its own: the URL of its store, and its port."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn
from sessionkeeper import ManagerConfig
from sessionkeeper.integrations.mcp import StoredSessionManager
from starlette.applications import Starlette
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parent))

from tools import make_server  # type: ignore[import-not-found]


def main(url: str, port: int, idle: float) -> None:
    """Serve until the process is ended; print the port once it listens."""
    manager = StoredSessionManager.from_url(
        make_server(), url, config=ManagerConfig(idle=idle, age=None)
    )
    app = Starlette(
        routes=[Route("/mcp", endpoint=manager.asgi_app)], lifespan=lambda _: manager.run()
    )
    listener = socket.create_server(("127.0.0.1", port))
    print(listener.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
