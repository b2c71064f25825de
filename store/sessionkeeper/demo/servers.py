"""The real servers of the demo, and something for them to work on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Plan", "make_plans", "make_repository"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One session of the demo: which server, what kind of client, and where its witnesses write."""

    name: str
    kind: Literal["time", "git"]
    server: tuple[str, ...]
    folder: Path
    repository: Path
    killed: bool
    """The client is a process of its own, killed in the middle of its conversation."""

    @property
    def socket(self) -> Path:
        """Where the tap of this session listens."""
        return self.folder / "tap"

    @property
    def command(self) -> tuple[str, ...]:
        """The server between two `tee`s: the witnesses at its pipes."""
        script = 'tee "$1" | "$3" "${@:4}" | tee "$2"'
        return (
            "bash",
            "-c",
            script,
            "witness",
            *self.witness("server-in", "server-out"),
            *self.server,
        )

    def witness(self, *names: str) -> tuple[str, ...]:
        """Paths of files in this session's folder."""
        return tuple(str(self.folder / name) for name in names)


def make_plans(count: int, folder: Path) -> list[Plan]:
    """Plan `count` sessions: time and git servers in turn, the second one's client killed."""
    repository = folder / "repository"
    git = make_repository(repository)
    plans: list[Plan] = []
    for index in range(count):
        kind: Literal["time", "git"] = "git" if git and index % 2 else "time"
        own = folder / f"{index:02d}"
        own.mkdir()
        plans.append(
            Plan(
                name=f"{kind}-{index:02d}",
                kind=kind,
                server=_server(kind, repository),
                folder=own,
                repository=repository,
                killed=index == 1,
            )
        )
    return plans


def make_repository(path: Path) -> bool:
    """Make a git repository with three commits; False where git is not installed."""
    if shutil.which("git") is None:
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
    if kind == "git":
        return (sys.executable, "-m", "mcp_server_git", "--repository", str(repository))
    return (sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC")
