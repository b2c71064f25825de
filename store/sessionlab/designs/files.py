"""Makes stores in a file, each in a temporary folder that is removed with the store."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sessionkeeper.interface.session_store import SessionStore

__all__ = ["in_new_folder"]

S = TypeVar("S", bound=SessionStore)


def in_new_folder(make: Callable[[str], S], /) -> S:
    """Make a store from the path of a new file in a folder of its own.

    The folder is removed when the store is no longer referenced, at the latest when the process
    ends. Raises `OSError`, and what `make` raises.
    """
    folder = tempfile.mkdtemp(prefix="sessionkeeper-lab-")
    try:
        store = make(str(Path(folder, "store.db")))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return store
