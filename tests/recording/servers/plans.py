"""The public servers: how each is started, and what a client says to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.recording.servers.packages import node, node_modules, python_with

__all__ = ["SERVERS", "PublicServer", "filled"]

LARGE = 10_000_000
HERE = Path(__file__).parent
Step = list[Any]


@dataclass(frozen=True)
class PublicServer:
    """One public server, ready to be started on stdio."""

    command: tuple[str, ...]
    steps: list[Step]
    asked: frozenset[str] = frozenset()
    """What the server asks of its client in these steps, as the clients count it."""
    url_command: tuple[str, ...] | None = None
    """How it serves HTTP by itself, with `{port}`; None if it needs a gateway."""
    env: dict[str, str] = field(default_factory=dict)
    mode: str = "auto"
    """How the Python client negotiates the revision: the newest that the server speaks."""

    @property
    def is_cancelled(self) -> bool:
        """Whether a client cancels a call in these steps."""
        return any(step[0] == "cancel" for step in self.steps)


def _everything(_: Path) -> PublicServer:
    program = (
        node(),
        str(node_modules() / "@modelcontextprotocol/server-everything/dist/index.js"),
    )
    return PublicServer(
        command=(*program, "stdio"),
        url_command=(*program, "streamableHttp"),
        steps=[
            ["tools"],
            ["resources"],
            ["prompts"],
            ["call", "echo", {"message": "h\u00e4llo \U0001f642"}],
            ["call", "get-sum", {"a": 1, "b": 1e2}],
            ["call", "get-sum", {"a": "no number"}],
            ["call", "no-such-tool", {}],
            ["call", "trigger-sampling-request", {"prompt": "hello", "maxTokens": 9}],
            ["call", "trigger-elicitation-request", {}],
            ["call", "get-roots-list", {}],
            ["call", "trigger-long-running-operation", {"duration": 0.2, "steps": 4}],
            ["cancel", "trigger-long-running-operation", {"duration": 60, "steps": 600}],
            ["call", "echo", {"message": "m" * LARGE}],
            ["call", "echo", {"message": "the last"}],
        ],
        asked=frozenset({"sampling", "elicitation", "roots", "progress"}),
    )


def _filesystem(folder: Path) -> PublicServer:
    files = folder / "files"
    files.mkdir()
    (files / "large.txt").write_text("l" * (LARGE // 2))  # twice in the answer
    (files / "odd \u00fc.txt").write_text('tab\t quote" backslash\\ null\0 \u2028 \U0001f642\n')
    server = node_modules() / "@modelcontextprotocol/server-filesystem/dist/index.js"
    return PublicServer(
        command=(node(), str(server), str(files)),
        steps=[
            ["tools"],
            ["call", "list_directory", {"path": str(files)}],
            ["call", "read_text_file", {"path": str(files / "odd \u00fc.txt")}],
            ["call", "write_file", {"path": str(files / "new.txt"), "content": "1e2 \\u0041"}],
            ["call", "read_text_file", {"path": str(files / "missing.txt")}],
            ["call", "read_text_file", {"path": "/etc/passwd"}],
            ["call", "read_text_file", {"path": str(files / "large.txt")}],
        ],
    )


def _memory(folder: Path) -> PublicServer:
    server = node_modules() / "@modelcontextprotocol/server-memory/dist/index.js"
    ada = {"name": "Ada", "entityType": "person", "observations": ["wr\u00f6te", "\U0001f642"]}
    return PublicServer(
        command=(node(), str(server)),
        steps=[
            ["tools"],
            ["call", "create_entities", {"entities": [ada]}],
            ["call", "read_graph", {}],
            ["call", "search_nodes", {"query": "Ada"}],
            ["call", "create_entities", {"entities": "none"}],
        ],
        env={"MEMORY_FILE_PATH": str(folder / "memory.json")},
    )


def _sequential_thinking(_: Path) -> PublicServer:
    server = node_modules() / "@modelcontextprotocol/server-sequential-thinking/dist/index.js"
    thought = {"thought": "one", "nextThoughtNeeded": True, "thoughtNumber": 1, "totalThoughts": 2}
    return PublicServer(
        command=(node(), str(server)),
        steps=[
            ["tools"],
            ["call", "sequentialthinking", thought],
            ["call", "sequentialthinking", {"thought": 1}],
        ],
    )


def _time(_: Path) -> PublicServer:
    return PublicServer(
        command=(sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"),
        steps=[
            ["tools"],
            ["call", "get_current_time", {"timezone": "Asia/Tokyo"}],
            ["call", "get_current_time", {"timezone": "Nowhere/Atlantis"}],
            ["call", "no_such_tool", {}],
        ],
    )


def _git(folder: Path) -> PublicServer:
    repository = folder / "repository"
    from sessionkeeper.demo.session_setup import make_repository

    make_repository(repository)
    path = {"repo_path": str(repository)}
    return PublicServer(
        command=(sys.executable, "-m", "mcp_server_git", "--repository", str(repository)),
        steps=[
            ["tools"],
            ["call", "git_status", path],
            ["call", "git_log", {**path, "max_count": 3}],
            ["call", "git_show", {**path, "revision": "no-such-revision"}],
        ],
    )


def _fetch(folder: Path) -> PublicServer:
    """It fetches from a server of its own that the test starts: `{page}` is its address."""
    python = python_with("mcp-server-fetch==2026.10.24")
    return PublicServer(
        command=(python, "-m", "mcp_server_fetch", "--ignore-robots-txt"),
        steps=[
            ["tools"],
            ["prompts"],
            ["call", "fetch", {"url": "{page}", "raw": True, "max_length": 900_000}],
            ["call", "fetch", {"url": "{page}/missing"}],
        ],
    )


def _fastmcp(_: Path) -> PublicServer:
    program = (python_with("fastmcp==4.2.3"), str(HERE / "fastmcp_server.py"))
    return PublicServer(
        command=(*program, "stdio"),
        url_command=(*program, "{port}"),
        steps=[
            ["tools"],
            ["call", "elicit", {}],
            ["call", "slow", {"steps": 3, "pause": 0.01}],
            ["cancel", "slow", {"steps": 600, "pause": 0.1}],
            # Twice in the answer, as text and as structured content: some clients take 10 MiB.
            ["call", "large", {"size": LARGE // 2}],
        ],
        asked=frozenset({"elicitation", "progress"}),
        mode="legacy",  # in 2026-07-28 a server does not call its client
    )


SERVERS: dict[str, Callable[[Path], PublicServer]] = {
    "everything": _everything,
    "filesystem": _filesystem,
    "memory": _memory,
    "sequential-thinking": _sequential_thinking,
    "time": _time,
    "git": _git,
    "fetch": _fetch,
    "fastmcp": _fastmcp,
}


def filled(server: PublicServer, **values: str) -> PublicServer:
    """Put values into the steps: `{page}` is where `fetch` finds a page."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(each) for key, each in value.items()}
        if isinstance(value, list):
            return [fill(each) for each in value]
        return value.replace("{page}", values["page"]) if isinstance(value, str) else value

    return replace(server, steps=fill(server.steps))
