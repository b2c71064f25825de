"""The official clients, by name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.recording.servers.packages import node, node_modules

HERE = Path(__file__).parent


@pytest.fixture
def python_client() -> tuple[str, ...]:
    """The command of the Python client."""
    return (sys.executable, str(HERE / "python_client.py"))


@pytest.fixture(params=["python", "typescript"])
def client(request: pytest.FixtureRequest, python_client: tuple[str, ...]) -> tuple[str, ...]:
    """The command of one official client, to be followed by the path of a plan."""
    if request.param == "python":
        return python_client
    return (node(), str(HERE / "typescript_client.mjs"), str(node_modules()))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """A page for servers that fetch one: its address, on loopback."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text("<p>Gr\u00fc\u00dfe \U0001f642</p>" * 40_000)
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""
