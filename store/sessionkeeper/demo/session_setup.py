"""What the sessions of the demo are to be: their servers, and a git repository for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

__all__ = [
    "CALLS",
    "CLIENT",
    "FORK_SERVER",
    "MODULES",
    "STEPS",
    "SessionSetup",
    "make_setups",
    "make_repository",
]

CALLS = 12
STEPS = CALLS + 4
"""Of one session: initialize, list, the calls, a call the server fails, a tool it does not have."""

OVER_HTTP = 2
"""The number of the session over HTTP."""
FORK_SERVER = "fork"
"""The socket of the fork server, in the folder of the run."""
CLIENT = "sessionkeeper.demo.client"
_CLOCK = "sessionkeeper.demo.clock_server"
MODULES = ("mcp_server_time", "mcp_server_git", CLIENT, _CLOCK)
"""What the fork server imports once."""

_CONNECTOR = Path(__file__).with_name("connector.py")
_WITNESS = Path(__file__).with_name("witness.py")


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """One session of the demo: which server, what kind of client, and where its witnesses write."""

    name: str
    kind: Literal["time", "git", "http"]
    server: tuple[str, ...]
    """Its module and arguments, for the fork server."""
    folder: Path
    repository: Path
    killed: bool
    """Whether the client is a separate process that is killed in the middle."""

    @property
    def socket(self) -> Path:
        """Where the proxy of this session listens."""
        return self.folder / "proxy"

    @property
    def command(self) -> tuple[str, ...]:
        """The server behind the witness at its pipes."""
        witness = (
            sys.executable,
            "-I",
            "-S",
            str(_WITNESS),
            str(self.folder.with_name(FORK_SERVER)),
        )
        return (*witness, *self.files("server-in", "server-out"), *self.server)

    @property
    def connector(self) -> tuple[str, ...]:
        """What the client starts: the connector to the proxy, a witness at the client's pipes."""
        how = "vanish" if self.killed else "leave"
        connector = (sys.executable, "-I", "-S", str(_CONNECTOR), how, str(self.socket))
        return (*connector, *self.files("client-sent", "client-received"))

    @property
    def errors(self) -> Path:
        """What its processes write to standard error."""
        return self.folder / "stderr"

    def files(self, *names: str) -> tuple[str, ...]:
        """Return paths in this session's folder."""
        return tuple(str(self.folder / name) for name in names)


def make_setups(count: int, folder: Path) -> list[SessionSetup]:
    """Set up `count` sessions: time and git servers in turn; the second client will be
    killed, and the third session is over HTTP.

    Raises `ModuleNotFoundError` when the time server is not installed.
    """
    if find_spec("mcp_server_time") is None:
        raise ModuleNotFoundError("mcp_server_time is not installed", name="mcp_server_time")
    repository = folder / "repository"
    git = make_repository(repository)
    setups: list[SessionSetup] = []
    for index in range(count):
        kind: Literal["time", "git", "http"] = "git" if git and index % 2 else "time"
        if index == OVER_HTTP:
            kind = "http"
        own = folder / f"{index:02d}"
        own.mkdir()
        setups.append(
            SessionSetup(
                name=f"{kind}-{index:02d}",
                kind=kind,
                server=_server(kind, repository),
                folder=own,
                repository=repository,
                killed=index == 1,
            )
        )
    return setups


def make_repository(path: Path) -> bool:
    """Make a git repository with three commits; False where git or its server is missing."""
    if shutil.which("git") is None or find_spec("mcp_server_git") is None:
        return False
    path.mkdir()

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=demo", "-c", "user.email=demo@example.invalid")
        subprocess.run(
            ["git", "-C", str(path), *identity, *arguments], check=True, capture_output=True
        )

    git("init", "--quiet")
    for number in range(3):
        (path / "notes.txt").write_text("line\n" * (number + 1))
        git("add", "notes.txt")
        git("commit", "--quiet", "--message", f"Write line {number + 1}")
    (path / "notes.txt").write_text("changed\n")
    return True


def _server(kind: str, repository: Path) -> tuple[str, ...]:
    if kind == "http":
        return ("-m", _CLOCK)
    if kind == "git":
        return ("-m", "mcp_server_git", "--repository", str(repository))
    return ("-m", "mcp_server_time", "--local-timezone", "UTC")
