"""Measures the HTTP recorder: latency and throughput of calls, memory of a large answer.

    python perf/recording_http.py [--calls 2000] [--rounds 5]

A server that answers at once, the recorder, and a bare proxy of starlette and httpx2 that stores
nothing run as processes of their own. The rounds alternate; the medians of all are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

TEXT = "x" * 900
LARGE = 100 * 1024 * 1024
CALL = (
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":'
    b'{"text":"' + TEXT.encode() + b'"}}}'
)
SESSION = b"0123456789abcdef0123456789abcdef"


def main() -> None:
    """Run what was asked for: the measurement, or one of its servers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=["server", "bare"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--upstream", type=int, default=0)
    given = parser.parse_args()
    if given.serve == "server":
        _run_server(given.port)
    elif given.serve == "bare":
        _run_bare(given.port, given.upstream)
    else:
        asyncio.run(_measure(given.calls, given.rounds))


def _run_server(port: int) -> None:
    import uvicorn
    from starlette.types import Receive, Scope, Send

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = scope["type"] == "http"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [(b"content-type", b"application/json"), (b"mcp-session-id", SESSION)]
        kind = scope["path"].rpartition("/")[2]
        if kind != "mcp":
            await _send_large(kind, send, headers)
            return
        number = body.partition(b'"id":')[2].partition(b",")[0]
        text = b'{"content":[{"type":"text","text":"' + TEXT.encode() + b'"}]}'
        out = b'{"jsonrpc":"2.0","id":' + number + b',"result":' + text + b"}"
        headers.append((b"content-length", b"%d" % len(out)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    uvicorn.run(answer, host="127.0.0.1", port=port, log_level="critical", lifespan="off")


async def _send_large(kind: str, send: object, headers: list[tuple[bytes, bytes]]) -> None:
    assert callable(send)
    part = b"y" * 65_536
    size = LARGE // len(part) * len(part)
    if kind == "length":
        headers.append((b"content-length", b"%d" % size))
    if kind in {"events", "event"}:
        headers[0] = (b"content-type", b"text/event-stream")
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(size // len(part)):
        body = part
        if kind == "events":
            body = b"data: " + part[:-10] + b"\r\n\r\n"
        elif kind == "event" and not number:
            body = b"data: " + part
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _run_bare(port: int, upstream: int) -> None:
    import httpx2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    hop = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(timeout=None) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> StreamingResponse:
        client: httpx2.AsyncClient = request.app.state.client
        headers = {name: value for name, value in request.headers.items() if name not in hop}
        url = f"http://127.0.0.1:{upstream}{request.url.path}"
        asked = client.build_request(
            request.method, url, headers=headers, content=await request.body()
        )
        answer = await client.send(asked, stream=True)

        async def parts() -> AsyncIterator[bytes]:
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:
                await answer.aclose()

        kept = {name: value for name, value in answer.headers.items() if name not in hop}
        return StreamingResponse(parts(), answer.status_code, headers=kept)

    route = Route("/{path:path}", forward, methods=["GET", "POST", "DELETE"])
    app = Starlette(routes=[route], lifespan=life)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", access_log=False)


class _Connection:
    """A keep-alive connection that waits for one answer at a time."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def call(self, number: int, path: str = "/mcp") -> int:
        body = CALL % number
        self._writer.write(
            b"POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
            b"accept: application/json, text/event-stream\r\nmcp-session-id: %s\r\n"
            b"content-length: %d\r\n\r\n" % (path.encode(), self._port, SESSION, len(body)) + body
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head.splitlines()[0], head
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length:
            left = int(length)
            while left:
                left -= len(await self._reader.read(min(left, 65_536)))
            return int(length)
        total = 0
        while size := int(await self._reader.readline(), 16):
            left = size + 2
            while left:
                left -= len(await self._reader.read(min(left, 65_536)))
            total += size
        await self._reader.readline()
        return total

    def close(self) -> None:
        self._writer.close()


async def _latency(port: int, calls: int) -> float:
    """Return the median of calls one after the other, in milliseconds."""
    connection = _Connection(port)
    await connection.open()
    times: list[float] = []
    for number in range(calls):
        begun = time.perf_counter()
        await connection.call(number)
        times.append(time.perf_counter() - begun)
    connection.close()
    return statistics.median(times) * 1000


async def _throughput(port: int, calls: int) -> float:
    """Return calls a second, 16 at once."""

    async def work(worker: int) -> None:
        connection = _Connection(port)
        await connection.open()
        for number in range(calls // 16):
            await connection.call(worker * calls + number)
        connection.close()

    begun = time.perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(16)))
    return calls // 16 * 16 / (time.perf_counter() - begun)


def _memory(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)


async def _growth(port: int, pid: int, kind: str) -> float:
    """Return how much more memory the recorder had while a large answer passed, in MB."""
    await asyncio.sleep(1)
    idle = _memory(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # begins the peak anew
    connection = _Connection(port)
    await connection.open()
    assert await connection.call(1, f"/mcp/{kind}") >= LARGE * 0.9
    connection.close()
    return _memory(pid, "VmHWM") - idle


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(*command: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *command])
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def _measure(calls: int, rounds: int) -> None:
    here = os.path.abspath(__file__)
    server, bare, ours = _free_port(), _free_port(), _free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(_process(here, "--serve", "server", "--port", str(server), port=server))
        upstream = ("--upstream", str(server))
        stack.enter_context(
            _process(here, "--serve", "bare", "--port", str(bare), *upstream, port=bare)
        )
        url = f"http://127.0.0.1:{server}/mcp"
        listen, store = f"127.0.0.1:{ours}", f"sqlite:///{folder}/record.db"
        command = ("-m", "sessionkeeper", "record", url, "--listen", listen, "--store", store)
        recorder = stack.enter_context(_process(*command, port=ours))
        for port in server, bare, ours:
            await _latency(port, 200)
        latency: dict[str, list[float]] = {"direct": [], "bare": [], "ours": []}
        throughput: dict[str, list[float]] = {"bare": [], "ours": []}
        for _ in range(rounds):
            for name, port in ("direct", server), ("bare", bare), ("ours", ours):
                latency[name].append(await _latency(port, calls))
            for name, port in ("bare", bare), ("ours", ours):
                throughput[name].append(await _throughput(port, calls))
        medians = {name: statistics.median(each) for name, each in latency.items()}
        print(f"latency of a 1 KB call: {medians['direct']:.2f} ms without, ", end="")
        print(f"+{medians['ours'] - medians['direct']:.2f} ms with the recorder, ", end="")
        print(f"+{medians['bare'] - medians['direct']:.2f} ms with a bare proxy")
        ratios = [a / b for a, b in zip(throughput["ours"], throughput["bare"], strict=True)]
        ours_s, bare_s = (statistics.median(throughput[name]) for name in ("ours", "bare"))
        print(f"16 at once: {ours_s:.0f} calls a second, a bare proxy {bare_s:.0f}: ", end="")
        print(f"{statistics.median(ratios):.2f}")
        for kind in "length", "chunked", "events", "event":
            growth = await _growth(ours, recorder.pid, kind)
            print(f"100 MB in one answer ({kind}): {growth:.1f} MB over idle")


if __name__ == "__main__":
    main()
