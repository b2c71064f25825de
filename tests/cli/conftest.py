"""The command line, run as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sessionkeeper
from sessionkeeper import (
    Gap,
    ManagerConfig,
    MessageEnvelope,
    SessionManager,
    SQLiteSessionStore,
)

Start = Callable[..., "subprocess.Popen[bytes]"]

PATIENT = """
from sessionkeeper.recording import late_recorder
from sessionkeeper.recording.stdio import StdioProxy
late_recorder._LONG = late_recorder._LAST_ATTEMPT = 300.0
StdioProxy.__init__.__kwdefaults__["patience"] = 300.0
"""
"""A recorder whose store opens late, as on a busy machine, loses nothing at its end."""
RUN = "\nfrom sessionkeeper.cli import main\nmain()"
PATIENT_OVER_HTTP = """
from sessionkeeper.recording import late_recorder
from sessionkeeper.recording.http import session
late_recorder._LONG = late_recorder._LAST_ATTEMPT = session._PATIENCE = 300.0
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `sessionkeeper ARGUMENTS…` in a process of its own; ended with the test.

    With `closed`, without that one of its standard descriptors; with `encoding`, on a terminal
    that has another; with more environment `variables`; with lines of Python that run `before` it:
    those of a patient recorder, where it is one.
    """
    roots = [str(Path(sessionkeeper.__file__).parents[1]), *sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, roots)),
        "TMPDIR": str(tmp_path),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str,
        closed: int | None = None,
        encoding: str = "",
        variables: dict[str, str] | None = None,
        before: str | None = None,
    ) -> subprocess.Popen[bytes]:
        if before is None and arguments[:1] == ("record",):
            over_http = any(each.startswith(("http:", "https:")) for each in arguments)
            before = PATIENT_OVER_HTTP if over_http else PATIENT
        how = ["-c", before + RUN] if before else ["-m", "sessionkeeper"]
        command = [sys.executable, *how, *arguments]
        if closed is not None:
            command = ["sh", "-c", f'exec "$0" "$@" {closed}>&-', *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"PYTHONIOENCODING": encoding} | (variables or {}),
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()


TALK = "talk-0001"
"""The session of `talk`."""
CLIENT, SERVER = "client-to-server", "server-to-client"
HOSTILE_TEXT = "no \x1b[31mred\x1b[0m [bold]\u202e"


def _messages() -> Iterator[tuple[str, object, float]]:
    """Yield who sends what, after how many milliseconds."""

    def request(number: int | str, method: str, **params: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}

    def result(number: int | str, **members: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": number, "result": members}

    def text(text: str) -> list[dict[str, str]]:
        return [{"type": "text", "text": text}]

    client = {"name": "desk", "version": "1.2"}
    yield CLIENT, request(0, "initialize", protocolVersion="2025-11-25", clientInfo=client), 1
    server = {"name": "everything", "version": "9"}
    capabilities: dict[str, object] = {"tools": {}, "prompts": {}}
    answer = result(0, protocolVersion="2025-11-25", serverInfo=server, capabilities=capabilities)
    yield SERVER, answer, 48
    yield CLIENT, {"jsonrpc": "2.0", "method": "notifications/initialized"}, 1
    yield SERVER, b"Starting...", 1
    long = {"name": "long", "arguments": {"steps": 2}, "_meta": {"progressToken": "p"}}
    yield CLIENT, request(1, "tools/call", **long), 1
    step = {"progressToken": "p", "progress": 1, "total": 2}
    yield SERVER, {"jsonrpc": "2.0", "method": "notifications/progress", "params": step}, 700
    yield CLIENT, request(2, "tools/call", name="add", arguments={"a": 40, "b": "two"}), 1
    error = {"code": -32602, "message": "b is no number"}
    yield SERVER, {"jsonrpc": "2.0", "id": 2, "error": error}, 2
    yield SERVER, result(1, content=text("line 1\n  line 2")), 800
    yield CLIENT, request(3, "tools/call", name="sample", arguments={}), 1
    said = {"role": "user", "content": {"type": "text", "text": "How are you?"}}
    yield SERVER, request(3, "sampling/createMessage", messages=[said]), 1
    yield CLIENT, result(3, role="assistant", content=text("Fine.")[0]), 5
    image = {"type": "image", "mimeType": "image/png", "data": "A" * 4000}
    yield SERVER, result(3, content=[*text("Fine."), image]), 1
    yield CLIENT, request(4, "tools/call", name="env", arguments={}), 1
    yield SERVER, result(4, isError=True, content=text(HOSTILE_TEXT)), 3
    yield SERVER, Gap.of(b"x" * 5000, "larger than the recorder takes"), 1
    yield CLIENT, b'{"jsonrpc": "2.0", "id": 5, "method": "x/y", "params": {"n": 1e2}}', 1
    cancelled = {"requestId": 5, "reason": "enough"}
    yield (
        CLIENT,
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled},
        9,
    )
    yield SERVER, result(99), 1
    yield CLIENT, request("last", "ping"), 1


@pytest.fixture
def talk(tmp_path: Path) -> str:
    """The URL of a store with one session, in which everything happens that `show` tells apart."""

    async def fill() -> None:
        async with (
            SQLiteSessionStore(tmp_path / "talk.db") as store,
            SessionManager.with_store(store, ManagerConfig.recording()) as manager,
        ):
            await manager.create_session(id=TALK, transport_type="stdio", tags={"ci"})
            moment = datetime.now(UTC) - timedelta(seconds=60)
            for direction, message, milliseconds in _messages():
                moment += timedelta(milliseconds=milliseconds)
                if isinstance(message, Gap):
                    envelope = MessageEnvelope.of_gap(
                        TALK, message, direction=direction, timestamp=moment
                    )
                else:
                    content = (
                        message if isinstance(message, bytes) else json.dumps(message).encode()
                    )
                    envelope = MessageEnvelope.of(
                        TALK, content, direction=direction, timestamp=moment
                    )
                await manager.record(envelope)
            await manager.fail_session(TALK, "the client vanished")

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/talk.db"
