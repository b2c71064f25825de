"""Folders for servers: short, open to the user who runs them, and each with a fresh database."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from postgres_binaries import SERVER_USER, copy_programs, find_binaries
from redis_watchdog import Watchdog

__all__ = ["ServerFolders"]


class ServerFolders:
    """Makes folders with a fresh database in them; `initdb` runs once, its result is copied.

    They are not in pytest's own folder: root's is closed to the user who runs the servers, and its
    name is too long for a socket (107 bytes).
    """

    def __init__(self, watchdog: Watchdog, binaries: Path | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="skpg-", dir=_short_temporary_folder()))
        self.root.chmod(0o755)
        watchdog.remove(self.root)
        self.watchdog = watchdog
        self.binaries = self._reachable(find_binaries() if binaries is None else binaries)
        self._numbers = count(1)
        self._template: Path | None = None

    def empty(self) -> Path:
        """A folder without anything, which belongs to the user who runs the servers."""
        folder = self.root / str(next(self._numbers))
        folder.mkdir(mode=0o700)
        SERVER_USER.own(folder)
        return folder

    def fresh(self, folder: Path | None = None) -> Path:
        """A folder with a fresh database in `data`: a new one, or this one."""
        if self._template is None:
            self._template = self._initialised()
        if folder is None:
            folder = self.empty()
        self.run("cp", "-a", "--", str(self._template), str(folder / "data"))
        return folder

    def run(self, *command: str) -> str:
        """Run a program as the user who runs the servers; AssertionError with what it said."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "300"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            **SERVER_USER.options(),
        )
        assert done.returncode == 0, f"{command[0]} failed: {done.stdout[-2000:]}"
        return done.stdout

    def close(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _initialised(self) -> Path:
        data = self.empty() / "data"
        self.run(
            str(self.binaries / "initdb"),
            "--pgdata",
            str(data),
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        return data

    def _reachable(self, binaries: Path) -> Path:
        """The programs themselves, or a copy where the user may not go, as to root's home."""
        try:
            subprocess.run(
                [binaries / "postgres", "--version"],
                cwd="/",
                check=True,
                capture_output=True,
                **SERVER_USER.options(),
            )
        except PermissionError:
            return copy_programs(binaries, self.root / "programs")
        return binaries


def _short_temporary_folder() -> str | None:
    usual = tempfile.gettempdir()
    return usual if len(usual) < 40 and os.access(usual, os.W_OK) else "/tmp"
