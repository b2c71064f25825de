"""The protocol's conformance suite gives the same result with the recorder as without it."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore

from tests.recording.servers.conformance import RELEASED, REVISION_2026, Suite, run_suite
from tests.recording.servers.http_run import recorder, reserved_port, running
from tests.recording.servers.packages import node, node_modules

HERE = Path(__file__).parent
OURS = (sys.executable, str(HERE / "conformance_server.py"))
SUITES = pytest.mark.parametrize(
    "suite", [RELEASED, REVISION_2026], ids=["released revisions", "2026-07-28"]
)

GUARDED = frozenset({"server-dns-rebinding-protection 0 localhost-host-rebinding-rejected"})
"""What the recorder refuses itself, as each server should: a foreign host."""

HURRIED = frozenset(
    {
        "server-server-stateless 22 sep-2575-http-server-no-independent-requests-on-stream",
        "server-server-stateless 23 sep-2575-server-no-log-without-loglevel",
    }
)
"""The suite waits 0.6 s for the first words of a process that the gateway starts for the request.
With a recorder in front of it, beside the other run on two cores, that is not always enough."""

TRIES = 4
Checks = dict[str, str]
Attempt = Callable[[int], Awaitable[tuple[Checks, Checks]]]
"""Runs the suite without the recorder and with it."""

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


async def compare(
    attempt: Attempt,
    *,
    guarded: frozenset[str] = frozenset(),
    hurried: frozenset[str] = frozenset(),
) -> None:
    """Compare check by check. A suite in which nothing passes would show nothing.

    The suite has time limits of its own, which a busy machine exceeds with the recorder or without
    it. So a check differs when it does each time.
    """
    differing: set[str] | None = None
    for number in range(TRIES):
        direct, recorded = await attempt(number)
        assert Counter(direct.values())["SUCCESS"] >= 10
        direct |= dict.fromkeys(guarded & direct.keys(), "SUCCESS")
        names = (direct.keys() | recorded.keys()) - hurried
        found = {name for name in names if direct.get(name) != recorded.get(name)}
        differing = found if differing is None else differing & found
        if not differing:
            return
    assert not differing


@SUITES
@pytest.mark.parametrize("kind", ["python", "typescript"])
async def test_the_suite_gives_the_same_over_http(suite: Suite, kind: str, tmp_path: Path) -> None:
    """`record http://…` between the suite and a server: the same checks pass and fail."""
    store = tmp_path / "tape.db"
    with reserved_port() as port:
        command = (*OURS, str(port)) if kind == "python" else everything("streamableHttp")
        url = f"http://127.0.0.1:{port}/mcp"
        async with (
            running(command, port, tmp_path / "log", {"PORT": str(port)}),
            recorder(url, store) as (own, _),
        ):

            async def attempt(number: int) -> tuple[Checks, Checks]:
                folder = tmp_path / f"{number}"
                through = f"http://127.0.0.1:{own}/mcp"
                direct = await run_suite(suite, url, folder / "direct")
                return direct, await run_suite(suite, through, folder / "recorded")

            await compare(attempt, guarded=GUARDED)
    assert await count_sessions(store)


@SUITES
async def test_the_suite_gives_the_same_over_stdio(suite: Suite, tmp_path: Path) -> None:
    """`record --` between a gateway and a server: the same checks pass and fail."""
    store = tmp_path / "tape.db"
    record = (sys.executable, "-m", "sessionkeeper", "record", "-q", "--store")
    command = everything("stdio")  # it starts fast: the gateway starts one for each session

    async def run(words: Sequence[str], folder: Path) -> Checks:
        with reserved_port() as port:
            async with running(gateway(words, port), port, folder.with_suffix(".log")):
                return await run_suite(suite, f"http://127.0.0.1:{port}/mcp", folder)

    async def attempt(number: int) -> tuple[Checks, Checks]:
        return await asyncio.gather(
            run(command, tmp_path / f"direct-{number}"),
            run((*record, f"sqlite:///{store}", "--", *command), tmp_path / f"recorded-{number}"),
        )

    await compare(attempt, hurried=HURRIED)
    assert await count_sessions(store)
