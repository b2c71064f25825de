"""Servers that answer with 1 KB, and clients that wait for the answer, as bare as they can be."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

__all__ = ["HttpWire", "StdioWire", "Wire", "free_port", "http_server", "stdio_server"]

PATIENCE = 60.0
"""Seconds to wait for a program that starts."""
TEXT = "x" * 900
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "rivals", "version": "1"},
}
RESULT = json.dumps(
    {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "echo", "version": "1"},
        "content": [{"type": "text", "text": TEXT}],
    }
)
STDIO_SERVER = f"""
import json, sys
result = {RESULT!r}
for line in sys.stdin.buffer:
    message = json.loads(line)
    if "id" in message:
        answer = '{{"jsonrpc":"2.0","id":%s,"result":%s}}\\n' % (json.dumps(message["id"]), result)
        sys.stdout.buffer.write(answer.encode())
        sys.stdout.buffer.flush()
"""
HTTP_SERVER = f"""
import json, sys, uvicorn
result = {RESULT!r}
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    status, answer = 405, b""
    if scope["method"] == "POST":
        message = json.loads(body)
        status = 202
        if "id" in message:
            status = 200
            answer = b'{{"jsonrpc":"2.0","id":%d,"result":%s}}' % (message["id"], result.encode())
    headers = [(b"content-type", b"application/json"), (b"mcp-session-id", b"0123456789abcdef"),
               (b"content-length", b"%d" % len(answer))]
    await send({{"type": "http.response.start", "status": status, "headers": headers}})
    await send({{"type": "http.response.body", "body": answer}})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


class Wire(Protocol):
    """A client and its server, with or without a recorder between them."""

    start: float
    """Seconds from the start to the answer to `initialize`."""

    def call(self) -> None:
        """Call a tool with 1 KB, and wait for the whole answer."""


def stdio_server() -> list[str]:
    """The command of the server on stdio."""
    return [sys.executable, "-I", "-S", "-c", STDIO_SERVER]


class StdioWire:
    """A client on pipes: it writes a line, and reads one."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._number = 0
        self._errors = (folder / f"errors-{time.monotonic_ns()}").open("w")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(folder),
            bufsize=0,
        )
        self._ask("initialize", INITIALIZE)
        self.start = time.perf_counter() - begun
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        _end(self._process)
        self._errors.close()

    def call(self) -> None:
        """Call a tool."""
        self._ask("tools/call", {"name": "echo", "arguments": {"text": TEXT}})

    def _ask(self, method: str, params: object) -> None:
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            line += (more := os.read(self._process.stdout.fileno(), 65536))
            if not more:
                raise RuntimeError(
                    f"{self._process.args!r} ended: {Path(self._errors.name).read_text()[-800:]}"
                )

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")


class HttpWire:
    """A client on one connection that is kept open."""

    def __init__(self, command: list[str], port: int, path: str, folder: Path) -> None:
        self._number = 0
        self._path = path
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        self._process: subprocess.Popen[bytes] | None = None
        begun = time.perf_counter()
        if command:
            with (folder / f"errors-{port}").open("w") as errors:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    env=_environment(folder),
                )
        try:
            _wait_for(port, self._process)
            self._connection = http.client.HTTPConnection("127.0.0.1", port)
            self._post("initialize", INITIALIZE)
            self.start = time.perf_counter() - begun
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._process is not None:
            self._process.terminate()
            _end(self._process)

    def call(self) -> None:
        """Call a tool."""
        self._post("tools/call", {"name": "echo", "arguments": {"text": TEXT}})

    def _post(self, method: str, params: object) -> None:
        self._number += 1
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        encoded = json.dumps(message).encode()
        try:
            answer, body = self._exchange(encoded)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._connection.close()  # it was idle while others started; the next request opens it
            answer, body = self._exchange(encoded)
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {body[:200]!r}")
        if session := answer.getheader("mcp-session-id"):
            self._headers["mcp-session-id"] = session

    def _exchange(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        return answer, answer.read()


@contextmanager
def http_server(folder: Path) -> Iterator[int]:
    """Run the server on HTTP; yield its port."""
    port = free_port()
    process = subprocess.Popen((sys.executable, "-c", HTTP_SERVER, str(port)))
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        _end(process)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes] | None) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=PATIENCE / 6)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Keep what recorders write by themselves in the folder."""
    return {**os.environ, "HOME": str(folder), "MCPHAWK_HOME": str(folder / "mcphawk")}
