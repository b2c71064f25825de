"""A file of zeros beside a store, in case other programs take all the room that is left on a disk.

Removing frames and sessions needs some room before it frees any. While little is left, the file
holds it; when it is needed, the file is removed, and later made again.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["DiskReserve"]

_NEARLY_FULL = 64 * 1024 * 1024
"""Bytes: with less free than that, the reserve is held."""
_NEEDED = 384 * 1024
"""Bytes: with less free than that, the reserve is needed."""
_MAXIMUM, _MINIMUM = 1024 * 1024, 128 * 1024


class DiskReserve:
    """Of one store; all its processes share the file. Of one thread."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.dirname(path) or "."
        self._path = f"{path}-reserve"
        self._may_be_there = True  # left by a process before

    @property
    def is_needed(self) -> bool:
        """Whether there is too little room for anything without it."""
        return self._free() < _NEEDED

    @property
    def bytes(self) -> int:
        """How much it holds; 0 if it is not there."""
        try:
            return os.lstat(self._path).st_size
        except OSError:
            return 0

    def hold(self) -> bool:
        """Make it while little room is left, and remove it where there is plenty.

        Returns whether there is room for it.
        """
        free = self._free()
        if free >= _NEARLY_FULL:
            if self._may_be_there:
                self.release()
                self._may_be_there = False
            return True
        self._may_be_there = True
        size = min(_MAXIMUM, free // 3)
        if size < _MINIMUM or self.bytes:
            return bool(self.bytes)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        try:
            with open(os.open(self._path, flags, 0o600), "wb") as file:
                file.write(bytes(size))
        except FileExistsError:  # another process was faster
            return True
        except OSError:  # another program took the room
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room back to the disk."""
        with suppress(OSError):
            os.unlink(self._path)

    def _free(self) -> int:
        try:
            found = os.statvfs(self._folder)
        except OSError:  # not known
            return _NEARLY_FULL
        return found.f_bavail * found.f_frsize if found.f_blocks else _NEARLY_FULL
