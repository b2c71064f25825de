"""A client and a server on HTTP, the recorder between them, and a witness on each side of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessionkeeper import Direction, Session, SQLiteSessionStore
from sessionkeeper.values.message import MessageEnvelope

from tests.recording.servers.exchanges import Exchange, exchanges_of
from tests.recording.servers.plans import PublicServer
from tests.recording.servers.relay import Relay, relaying
from tests.recording.servers.stdio_run import run_client

__all__ = ["HttpRun", "free_port", "recorder", "running"]

OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te"}


@dataclass
class HttpRun:
    """What both witnesses saw and what the store has."""

    front: list[Exchange]
    behind: list[Exchange]
    sessions: list[Session]
    frames: dict[str, list[MessageEnvelope]]
    """By session."""

    @classmethod
    async def hold(
        cls,
        client: tuple[str, ...],
        server: PublicServer,
        command: Sequence[str],
        folder: Path,
    ) -> tuple[HttpRun, Any]:
        """Hold a conversation with the server that this command starts on `{port}`."""
        port, store = free_port(), folder / "tape.db"
        words = [word.replace("{port}", str(port)) for word in command]
        env = server.env | {"PORT": str(port)}
        async with (
            running(words, port, folder / "server.log", env),
            relaying(port) as behind,
            recorder(f"http://127.0.0.1:{behind.port}/mcp", store) as own,
            relaying(own) as front,
        ):
            url = f"http://127.0.0.1:{front.port}/mcp"
            plan = {"url": url, "steps": server.steps, "mode": server.mode}
            said = await run_client(client, plan, folder)
        return await cls.read(front, behind, store), said

    @classmethod
    async def read(cls, front: Relay, behind: Relay, store: Path) -> HttpRun:
        """Read what was seen and what was stored."""
        async with SQLiteSessionStore(str(store)) as opened:
            sessions = await opened.list_sessions()
            frames = {each.id: await opened.get_frames(each.id) for each in sessions}
        return cls(exchanges_of(front.seen), exchanges_of(behind.seen), sessions, frames)

    def methods(self) -> set[str]:
        """The methods of all stored messages."""
        stored = [each.method for frames in self.frames.values() for each in frames]
        return {each for each in stored if each is not None}

    def faults(self) -> list[str]:
        """Compare both witnesses and the store, byte for byte."""
        return [*self._traffic(), *self._stored()]

    def _traffic(self) -> list[str]:
        """Pair the exchanges of both sides by their requests."""
        front, behind = _by_request(self.front), _by_request(self.behind)
        found = [
            f"{key[0]} passed {_times(front, key)}, not {_times(behind, key)} times"
            for key in front.keys() | behind.keys()
            if _times(front, key) != _times(behind, key)
        ]
        for key in front.keys() & behind.keys():
            for one, other in zip(front[key], behind[key], strict=False):
                found += _differences(one, other)
        return found

    def _stored(self) -> list[str]:
        """Compare the messages of each exchange with the frames of each stream."""
        expected = Counter(each.messages() for each in self.behind)
        stored: dict[tuple[str, str | None], tuple[list[bytes], list[bytes]]]
        stored = defaultdict(lambda: ([], []))
        for session, frames in self.frames.items():
            for frame in frames:
                if not frame.message and frame.context.metadata.get("line_end") == "none":
                    continue  # it says that the client left, in place of a message
                side = frame.context.direction is Direction.SERVER_TO_CLIENT
                stored[session, frame.context.stream][side].append(frame.message)
        found = Counter((tuple(sent), tuple(received)) for sent, received in stored.values())
        expected.pop(((), ()), None)
        return [
            *(f"not stored: {_shown(each)}" for each in (expected - found)),
            *(f"stored, but not seen: {_shown(each)}" for each in (found - expected)),
        ]


Key = tuple[str, str | None, bytes]


def _by_request(exchanges: list[Exchange]) -> dict[Key, list[Exchange]]:
    found: dict[Key, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        request = each.request
        found[request.first_line, request.header("mcp-session-id"), request.body].append(each)
    for same in found.values():
        same.sort(key=lambda each: each.answer.body if each.answer else b"")
    return found


def _times(found: dict[Key, list[Exchange]], key: Key) -> int:
    return len(found.get(key, []))


def _differences(front: Exchange, behind: Exchange) -> list[str]:
    where = front.request.first_line
    if _end_to_end(front.request.headers) != _end_to_end(behind.request.headers):
        return [f"{where}: other headers of the request"]
    one, other = front.answer, behind.answer
    if one is None or other is None:
        return (
            [] if one is None and (other is None or not other.is_whole) else [f"{where}: no answer"]
        )
    if one.first_line != other.first_line:
        return [f"{where}: another status"]
    if _end_to_end(one.headers) != _end_to_end(other.headers):
        return [f"{where}: other headers of the answer"]
    if one.body != other.body and (one.is_whole or not other.body.startswith(one.body)):
        return [f"{where}: another body, {len(other.body)} bytes, then {len(one.body)}"]
    return []


def _end_to_end(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(each for each in headers if each[0] not in OF_CONNECTION)


def _shown(messages: tuple[tuple[bytes, ...], tuple[bytes, ...]]) -> str:
    return " / ".join(str([each[:120] for each in side]) for side in messages)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def running(
    command: Sequence[str], port: int, log: Path, env: dict[str, str] | None = None
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a program that listens on a port of this machine; its whole group is ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
    try:
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, 20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@asynccontextmanager
async def recorder(url: str, store: Path, *options: str) -> AsyncIterator[int]:
    """Run `sessionkeeper record URL` before a server; yield its port."""
    port = free_port()
    command = (
        *(sys.executable, "-m", "sessionkeeper", "record", "--store", f"sqlite:///{store}"),
        *("--listen", f"127.0.0.1:{port}", "--max-message", "64MiB", *options, url),
    )
    async with running(command, port, store.with_suffix(".log")):
        yield port
