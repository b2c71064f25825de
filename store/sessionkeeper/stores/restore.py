"""Restores a store in a file from a backup."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from threading import Event

from ..backends.sqlite.maintenance import run_in_thread
from ..backends.sqlite.raw_connection import resolved
from ..backends.sqlite.restore import RestoreReport, restore_file

__all__ = ["RestoreReport", "restore_backup"]


async def restore_backup(
    backup: str | os.PathLike[str],
    path: str | os.PathLike[str],
    /,
    *,
    replace: bool = False,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> RestoreReport:
    """Put a copy of a SQLite store's backup at `path`; `replace` permits replacing a store.

    Atomic: the old store or the new one is there afterwards, whole, however it ends, also after a
    kill or a power cut. Nobody may have the store open. The backup is checked first, and its copy
    is brought to this version. It may also be the file of a store, which is read with its log.
    `on_progress` is called on another thread, with the pages copied and the pages in all. A
    cancellation stops it; if the store was replaced by then, a note of the cancellation says so.

    Raises `FileExistsError` if there is a store and `replace` is not set; `StoreUnavailable` if
    somebody has the store open, or if the backup is damaged, of a newer version or not a store's;
    `OSError`, `TypeError`, `ValueError`.
    """
    stop = Event()
    work = partial(
        restore_file,
        resolved(backup),
        resolved(path),
        replace=replace,
        stop=stop,
        on_progress=on_progress,
    )
    return await run_in_thread(work, stop)
