"""A client and a server on HTTP, the recorder between them, and a witness on each side of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis_ports import ReservedPort
from sessionkeeper import Session, SQLiteSessionStore
from sessionkeeper.demo.check_http import compare_frames, compare_traffic
from sessionkeeper.demo.exchanges import Exchange, exchanges_of
from sessionkeeper.values.message import MessageEnvelope

from tests.recording.servers.plans import PublicServer
from tests.recording.servers.relay import Relay, relaying
from tests.recording.servers.stdio_run import run_client

__all__ = ["HttpRun", "recorder", "reserved_port", "running"]


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
        store = folder / "tape.db"
        with reserved_port() as port:
            words = [word.replace("{port}", str(port)) for word in command]
            env = server.env | {"PORT": str(port)}
            async with (
                running(words, port, folder / "server.log", env),
                relaying(port) as behind,
                recorder(f"http://127.0.0.1:{behind.port}/mcp", store, "--require-store") as (
                    own,
                    _,
                ),
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
        frames = [(session, each) for session, found in self.frames.items() for each in found]
        return [*compare_traffic(self.front, self.behind), *compare_frames(self.behind, frames)]


@contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port for a program that cannot choose one itself."""
    reserved = ReservedPort()
    try:
        yield reserved.number
    finally:
        reserved.free()


@asynccontextmanager
async def running(
    command: Sequence[str], port: int, log: Path, env: dict[str, str] | None = None
) -> AsyncIterator[None]:
    """Run a program that listens on a port of this machine."""
    async with _started(command, log, env) as process:
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield


@asynccontextmanager
async def recorder(
    url: str, store: Path, *options: str, limit: int = 0
) -> AsyncIterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run `sessionkeeper record URL` before a server; yield its port and its process.

    Its files may grow to `limit` KiB. Its log is beside the store.
    """
    words = (
        *(sys.executable, "-m", "sessionkeeper", "record", "--store", f"sqlite:///{store}"),
        *("--listen", "127.0.0.1:0", "--max-message", "64MiB", *options, url),
    )
    shell = ("bash", "-c", f'ulimit -f {limit}; exec "$@"', "record")
    log = store.with_suffix(".log")
    async with _started((*shell, *words) if limit else words, log, heeds=True) as process:
        while (told := re.search(rb"http://127\.0\.0\.1:(\d+)/", log.read_bytes())) is None:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            await asyncio.sleep(0.02)
        yield int(told[1]), process


@asynccontextmanager
async def _started(
    command: Sequence[str], log: Path, env: dict[str, str] | None = None, *, heeds: bool = False
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Start a program; its whole group is ended. One that `heeds` SIGTERM has to end by that."""
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
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, 300 if heeds else 60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if heeds:
                    raise AssertionError("it did not end by SIGTERM") from None
