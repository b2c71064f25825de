"""A realistic conversation of the official client; also a script, for the client that is killed.

As a script: `python -m sessionkeeper.demo.client KIND REPOSITORY COMMAND…`. It talks until it is
killed, and prints a line after each answer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TextIO, TypeAlias

from httpx2 import AsyncClient
from mcp import ClientSession, Implementation, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from .session_setup import CALLS, SessionSetup
from .stage import Stage

__all__ = ["converse", "http_session", "stdio_session"]

Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[ClientSession]]
"""Connects a client to its server, through the recorder."""
_ME = Implementation(name="sessionkeeper-demo", version="1")
_ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Africa/Nairobi")


async def converse(setup: SessionSetup, stage: Stage, connect: Connect) -> None:
    """Hold one whole conversation, in turn with the others; stay until all have done so."""
    kind, repository = setup.kind, str(setup.repository)
    async with AsyncExitStack() as stack:
        async with stage.turn:
            session = await stack.enter_async_context(connect())
            await session.initialize()
            stage.step()
            await session.list_tools()
            stage.step()
            for number in range(CALLS):
                await session.call_tool(*_call(kind, repository, number))
                stage.step()
            failed = await session.call_tool(*_bad_call(kind, repository))
            if not failed.is_error:
                raise RuntimeError("the server accepted a call it should have failed")
            stage.step()
            try:
                await session.call_tool("no_such_tool", {})
            except MCPError:
                stage.step()
        await stage.all_done.wait()
        async with stage.turn:
            await stack.aclose()


@asynccontextmanager
async def stdio_session(command: tuple[str, ...], errlog: TextIO) -> AsyncGenerator[ClientSession]:
    """Connect to a server that this command starts."""
    parameters = StdioServerParameters(command=command[0], args=list(command[1:]))
    async with (
        stdio_client(parameters, errlog=errlog) as (reads, writes),
        ClientSession(reads, writes, client_info=_ME) as session,
    ):
        yield session


@asynccontextmanager
async def http_session(url: str) -> AsyncGenerator[ClientSession]:
    """Connect to a server on HTTP, and wait for its answers however long they take."""
    async with (
        AsyncClient(timeout=None) as http,
        streamable_http_client(url, http_client=http) as (reads, writes),
        ClientSession(reads, writes, client_info=_ME) as session,
    ):
        yield session


def _call(kind: str, repository: str, number: int) -> tuple[str, dict[str, object]]:
    if kind != "git":
        here, there = _ZONES[number % len(_ZONES)], _ZONES[(number + 1) % len(_ZONES)]
        if number % 2:
            return "get_current_time", {"timezone": here}
        time = f"{number:02d}:30"
        return "convert_time", {"source_timezone": here, "time": time, "target_timezone": there}
    calls: tuple[tuple[str, dict[str, object]], ...] = (
        ("git_status", {}),
        ("git_log", {"max_count": 3}),
        ("git_diff_unstaged", {}),
        ("git_show", {"revision": "HEAD"}),
    )
    name, arguments = calls[number % len(calls)]
    return name, {"repo_path": repository} | arguments


def _bad_call(kind: str, repository: str) -> tuple[str, dict[str, object]]:
    if kind != "git":
        return "get_current_time", {"timezone": "Nowhere/Atlantis"}
    return "git_show", {"repo_path": repository, "revision": "no-such-revision"}


async def _talk_until_killed(kind: str, repository: str, command: tuple[str, ...]) -> None:
    async with stdio_session(command, sys.stderr) as session:
        await session.initialize()
        for number in itertools.count():
            await session.call_tool(*_call(kind, repository, number))
            print(number, flush=True)  # noqa: T201 - the demo waits for it


if __name__ == "__main__":
    asyncio.run(_talk_until_killed(sys.argv[1], sys.argv[2], tuple(sys.argv[3:])))
