"""The protocol's conformance suite gives the same result with the recorder as without it."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore

from tests.recording.servers.conformance import RELEASED, REVISION_2026, Suite, run_suite
from tests.recording.servers.http_run import free_port, recorder, running
from tests.recording.servers.packages import node, node_modules

HERE = Path(__file__).parent
OURS = (sys.executable, str(HERE / "conformance_server.py"))
SUITES = pytest.mark.parametrize(
    "suite", [RELEASED, REVISION_2026], ids=["released revisions", "2026-07-28"]
)

GUARDED = frozenset({"server-dns-rebinding-protection 0 localhost-host-rebinding-rejected"})
"""What the recorder refuses itself, as each server should: a foreign host."""

pytestmark = pytest.mark.long


def everything(transport: str) -> tuple[str, ...]:
    """The server of the protocol's project that has every feature of the released revisions."""
    program = node_modules() / "@modelcontextprotocol/server-everything/dist/index.js"
    return (node(), str(program), transport)


def gateway(command: Sequence[str], port: int) -> tuple[str, ...]:
    """Serve a stdio server over HTTP: a process for each session."""
    program = str(node_modules() / "supergateway/dist/index.js")
    return (
        *(node(), program, "--stdio", shlex.join(command), "--stateful", "--port", str(port)),
        *("--outputTransport", "streamableHttp", "--logLevel", "none"),
    )


async def count_sessions(store: Path) -> int:
    """Return how many sessions were recorded, each with frames."""
    async with SQLiteSessionStore(str(store)) as opened:
        return sum(session.frame_count > 0 for session in await opened.list_sessions())


def assert_same(
    recorded: dict[str, str], direct: dict[str, str], *, guarded: frozenset[str] = frozenset()
) -> None:
    """Compare check by check; a suite in which nothing passes would show nothing."""
    assert recorded == direct | dict.fromkeys(guarded & direct.keys(), "SUCCESS")
    assert Counter(direct.values())["SUCCESS"] >= 10


@SUITES
@pytest.mark.parametrize("kind", ["python", "typescript"])
async def test_the_suite_gives_the_same_over_http(suite: Suite, kind: str, tmp_path: Path) -> None:
    """`record http://…` between the suite and a server: the same checks pass and fail."""
    port, store = free_port(), tmp_path / "tape.db"
    command = (*OURS, str(port)) if kind == "python" else everything("streamableHttp")
    async with running(command, port, tmp_path / "log", {"PORT": str(port)}):
        url = f"http://127.0.0.1:{port}/mcp"
        direct = await run_suite(suite, url, tmp_path / "direct")
        async with recorder(url, store) as own:
            recorded = await run_suite(suite, f"http://127.0.0.1:{own}/mcp", tmp_path / "recorded")
    assert_same(recorded, direct, guarded=GUARDED)
    assert await count_sessions(store)


@SUITES
async def test_the_suite_gives_the_same_over_stdio(suite: Suite, tmp_path: Path) -> None:
    """`record --` between a gateway and a server: the same checks pass and fail."""
    store = tmp_path / "tape.db"
    record = (sys.executable, "-m", "sessionkeeper", "record", "-q", "--store")
    command = everything("stdio")  # it starts fast: the gateway starts one for each session

    async def run(words: Sequence[str], name: str) -> dict[str, str]:
        port = free_port()
        async with running(gateway(words, port), port, tmp_path / f"log-{name}"):
            return await run_suite(suite, f"http://127.0.0.1:{port}/mcp", tmp_path / name)

    direct, recorded = await asyncio.gather(
        run(command, "direct"),
        run((*record, f"sqlite:///{store}", "--", *command), "recorded"),
    )
    assert_same(recorded, direct)
    assert await count_sessions(store)
