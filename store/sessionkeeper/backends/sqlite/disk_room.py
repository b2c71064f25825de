"""A reserve of the disk for what makes room: removing needs some room, too, before it frees any.

Rule: frames and sessions are added only while a checkpoint, and then as much as the reserve, still
fit. So on a disk that this store has filled, frames and sessions can be removed, the log can be
copied into the file, and what was freed can be used again. See `disk_reserve` for a disk that
others have filled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .disk_reserve import DiskReserve
from .errors import DiskNearlyFull
from .schema import PAGE_BYTES

__all__ = ["RESERVE", "DiskRoom"]

RESERVE = 1024 * 1024
"""Bytes."""
_PLENTY = 256 * 1024 * 1024
"""Bytes: with more free than that, nothing is counted."""


class DiskRoom:
    """The free room of the disk of a file, and how much a checkpoint of its log needs."""

    def __init__(self, path: str, reserve: DiskReserve) -> None:
        self._path = path
        self._reserve = reserve

    def check_batch(self, execute: Callable[[str], Any], size: int) -> None:
        """Raise `DiskNearlyFull` unless a batch of about `size` bytes may be added.

        Within its transaction. What fits into pages that are free in the file needs no room.
        """
        free = self._free()
        if free >= _PLENTY + size or _read_pragma(execute, "freelist_count"):
            return
        if free < self._growth(execute) + size + RESERVE:
            raise DiskNearlyFull

    def is_short(self, execute: Callable[[str], Any], written: int) -> bool:
        """Whether a log of about `written` bytes should be copied into the file while that fits.

        The next batch then writes to the beginning of the log, which needs no more room.
        """
        free = self._free()
        if free >= _PLENTY:
            return False
        growth = self._growth(execute)
        return free < growth + 2 * RESERVE and (growth > 0 or written > RESERVE // 2)

    def _growth(self, execute: Callable[[str], Any]) -> int:
        """Return by how many bytes a checkpoint makes the file larger."""
        try:
            size = os.stat(self._path).st_size
        except OSError:
            return 0  # it is gone, which others notice
        return max(0, _read_pragma(execute, "page_count") * PAGE_BYTES - size)

    def _free(self) -> int:
        try:
            found = os.statvfs(self._path)
        except OSError:  # not known: the disk itself refuses what does not fit
            return 2 * _PLENTY
        free = found.f_bavail * found.f_frsize
        return free if free >= _PLENTY else free + self._reserve.bytes


def _read_pragma(execute: Callable[[str], Any], name: str) -> int:
    return int(execute(f"PRAGMA {name}").fetchone()[0])
