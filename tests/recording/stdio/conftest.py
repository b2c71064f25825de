"""A rig for proxies: real child processes behind, a client on real descriptors in front."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from sessionkeeper.recording import Recorder
from sessionkeeper.recording.origin import DEFAULT_ORIGIN, Origin
from sessionkeeper.recording.stdio import StdioProxy, StdioReport
from sessionkeeper.values.errors import InvalidMessage
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.states import Direction

_PRELUDE = """
import json, os, select, signal, subprocess, sys, time
def say(message):
    os.write(1, (json.dumps(message) if isinstance(message, dict) else message).encode() + b"\\n")
"""


class Notes:
    """A recorder that keeps its messages; `hook` runs first, and may raise or wait."""

    def __init__(self) -> None:
        self.messages: list[tuple[Direction, bytes]] = []
        self.gaps: list[tuple[Direction, Gap]] = []
        self.aside: list[tuple[Origin, bytes]] = []
        self.timestamps: list[datetime] = []
        self.endings: list[str | None] = []
        self.pid: int | None = None
        self.hook: Callable[[bytes], Awaitable[object] | None] = lambda _: None
        self.at_end: Callable[[], Awaitable[object] | None] = lambda: None

    def started(self, pid: int, /) -> None:
        self.pid = pid

    async def record(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        if (waiting := self.hook(message)) is not None:
            await waiting
        if origin.media_type is not None:
            self.aside.append((origin, message))
            return
        try:
            found = json.loads(message)
        except ValueError:
            raise InvalidMessage("not JSON") from None
        if not isinstance(found, dict):
            raise InvalidMessage("not an object")
        self.messages.append((direction, message))
        self.timestamps.append(timestamp)

    async def record_gap(
        self,
        direction: Direction,
        gap: Gap,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        self.gaps.append((direction, gap))

    async def complete(self) -> None:
        await self._end(None)

    async def fail(self, reason: str, /) -> None:
        await self._end(reason)

    async def _end(self, reason: str | None) -> None:
        if (waiting := self.at_end()) is not None:
            await waiting
        self.endings.append(reason)

    def sent(self, direction: Direction) -> list[bytes]:
        """The messages of one side, in order."""
        return [message for side, message in self.messages if side is direction]


class Rig:
    """One proxy, its recorder, and the client's two ends: `to_tap` and `from_tap`.

    A server is the source of a Python script with `say` and the usual modules at hand; one
    script is the whole life of one process.
    """

    ECHO = """
        while data := os.read(0, 65536):
            while data:
                data = data[os.write(1, data):]
        """
    ANSWER = """
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "id" in message and "method" in message:
                say({"jsonrpc": "2.0", "id": message["id"], "result": {}})
        """

    def __init__(self, folder: Path) -> None:
        self.notes = Notes()
        self._recorder: Recorder = self.notes
        self.troubles: list[str] = []
        self.folder = folder
        self.to_tap = self.from_tap = -1
        self._read = b""
        self._task: asyncio.Task[StdioReport] | None = None

    def use(self, recorder: Recorder) -> None:
        """Record into this, not into `notes`."""
        self._recorder = recorder

    def script(self, source: str) -> list[str]:
        """Write a server; return its command. `-I -S` starts Python in 15 ms."""
        path = self.folder / f"server{len(list(self.folder.iterdir()))}.py"
        path.write_text(_PRELUDE + textwrap.dedent(source))
        return [sys.executable, "-I", "-S", str(path)]

    def proxy(
        self,
        server: str | list[str],
        *,
        client: tuple[int, int] | None = None,
        max_line: int = 1 << 24,
        max_pending: int = 1 << 26,
        patience: float = 300.0,
        stderr: int | None = subprocess.DEVNULL,
        record_stderr: bool = False,
        cwd: Path | None = None,
        on_traffic_end: Callable[[], None] | None = None,
    ) -> StdioProxy:
        """Make a proxy on pipes, if the client brings no descriptors of its own."""
        if client is None:
            reads, self.to_tap = os.pipe()
            self.from_tap, writes = os.pipe()
            client = reads, writes
        return StdioProxy(
            self.script(server) if isinstance(server, str) else server,
            self._recorder,
            client_in=client[0],
            client_out=client[1],
            on_trouble=self.troubles.append,
            stderr=stderr,
            record_stderr=record_stderr,
            cwd=cwd,
            max_line=max_line,
            max_pending=max_pending,
            patience=patience,
            on_traffic_end=on_traffic_end,
        )

    def run(self, proxy: StdioProxy) -> asyncio.Task[StdioReport]:
        """Run a proxy in the background; it is cancelled when the test ends first."""
        self._task = asyncio.create_task(proxy.run())
        return self._task

    def request(self, number: object, method: str = "ping", **params: object) -> bytes:
        """One request as a line."""
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(message).encode() + b"\n"

    async def send(self, data: bytes) -> None:
        """Send as a client: all of it, however long the pipe is full."""
        await asyncio.to_thread(_write_all, self.to_tap, data)

    async def line(self) -> bytes:
        """Receive the next line, its newline included; b"" at the end."""
        while b"\n" not in self._read:
            chunk = await asyncio.to_thread(os.read, self.from_tap, 65536)
            if not chunk:
                break
            self._read += chunk
        line, newline, self._read = self._read.partition(b"\n")
        return line + newline

    async def rest(self) -> bytes:
        """Receive until the end."""
        chunks = [self._read]
        while chunk := await asyncio.to_thread(os.read, self.from_tap, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)

    def hang_up(self) -> None:
        """Close the client's sending end: its EOF."""
        self.to_tap = _closed(self.to_tap)

    def vanish(self) -> None:
        """Close the client's receiving end."""
        self.from_tap = _closed(self.from_tap)

    async def aclose(self) -> None:
        """Stop the proxy and its client."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task
        self.hang_up()
        self.vanish()


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _closed(fd: int) -> int:
    if fd >= 0:
        os.close(fd)
    return -1


def _open_descriptors() -> Counter[str]:
    # By kind: uvloop makes its own socket pair anew between the set-up and the end of a test.
    targets = (_target(fd) for fd in os.listdir("/proc/self/fd"))
    return Counter(target.split(":")[0] for target in targets if target)


def _target(fd: str) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


def _children() -> set[str]:
    """The processes this one has started, zombies too; servers of other tests may be there."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that just ended
            found.update((task / "children").read_text().split())
    return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ends late, or a store that opens late, is a slow machine here."""
    for name in ("late_recorder._LONG", "stdio.pump._JOIN", "stdio.server._JOIN"):
        monkeypatch.setattr(f"sessionkeeper.recording.{name}", 300.0)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig; afterwards no process, thread, task, descriptor or unhandled error may be left."""
    unhandled: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: unhandled.append(str(context))
    )
    await asyncio.to_thread(lambda: None)  # the executor and the loop have what they need
    gc.collect()  # what earlier tests left to be closed is closed now, not in between
    before, children = _open_descriptors(), _children()
    rig = Rig(tmp_path)
    yield rig
    await rig.aclose()
    assert _open_descriptors() == before
    assert [t.name for t in threading.enumerate() if t.name.startswith("sessionkeeper")] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert _children() <= children, "others may have gone meanwhile"
    assert unhandled == []
