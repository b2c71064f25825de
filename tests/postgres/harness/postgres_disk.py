"""A small disk of a server's own, to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres_binaries import SERVER_USER
from postgres_folders import ServerFolders

__all__ = ["SmallDisk", "small_disk"]


class SmallDisk:
    """A file system in memory, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def left(self) -> int:
        """How many bytes can still be written."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all of the disk but so many bytes."""
        self.free()
        taken = self.left - leave
        assert taken > 0, "so much is not left"
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, taken)

    def free(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folders: ServerFolders, megabytes: int) -> Iterator[SmallDisk]:
    """A disk that belongs to the user of the servers; end its server before leaving.

    Skips the test where mounting is not permitted.
    """
    folder = folders.empty()
    options = f"size={megabytes}m,mode=0700,uid={SERVER_USER.uid},gid={SERVER_USER.gid}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "skpg", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        reason = done.stderr.partition("\n")[0]
        pytest.skip(f"a full disk needs the right to mount one: {reason}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
