"""Restores a backup, and fails, is killed or is looked at, at a call that can change a file."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from threading import Event
from typing import Any

from sessionkeeper.backends.sqlite.restore import restore_file

_MODULES = ("posix", "fcntl", "_sqlite3")
_HARMLESS = ("stat", "lstat", "fspath", "getpid", "kill", "fsencode", "access")
_OF_TEXT = "_path_"
"""How functions begin that only take a path apart; newer Pythons have more of them in C."""


def restore(backup: str, target: str, before: Callable[[str, Any], object]) -> None:
    """Restore, and call `before` at each call to the system or SQLite, and when it is over."""

    def profile(frame: Any, event: str, called: Any) -> None:
        if event not in ("c_call", "c_return"):
            return
        module = getattr(called, "__module__", None)
        of_system = (
            module in _MODULES
            and called.__name__ not in _HARMLESS
            and not called.__name__.startswith(_OF_TEXT)
        )
        if of_system or isinstance(getattr(called, "__self__", None), sqlite3.Connection):
            sys.setprofile(None)
            before(event, called)
            sys.setprofile(profile)

    sys.setprofile(profile)
    try:
        restore_file(backup, target, replace=True, stop=Event(), on_progress=lambda *_: None)
    finally:
        sys.setprofile(None)


def restore_killed(backup: str, target: str, k: int) -> None:
    """Restore in a process of its own, which is killed at the k-th call."""
    left = k

    def count(event: str, called: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    restore(backup, target, count)


def restore_failing(backup: str, target: str, k: int) -> bool:
    """Restore with the k-th call to the system failing; return whether there were fewer."""
    left = k

    def fail(event: str, called: Any) -> None:
        nonlocal left
        # A file that cannot be closed or removed is no failure of the restore.
        failing = not isinstance(getattr(called, "__self__", None), sqlite3.Connection)
        if event == "c_call" and failing and called.__name__ not in ("close", "unlink"):
            left -= 1
            if left == -1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    restore(backup, target, fail)
    return left >= 0
