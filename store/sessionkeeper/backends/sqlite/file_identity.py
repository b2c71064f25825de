"""Whether a file and its log belong together, as two numbers in the file tell.

A copy that is put over a file beside the log of another state makes a mixture that no page looks
wrong in. So each file has a random number of its own, its line, and counts epochs: with its first
change after the log was brought in, a writer begins an epoch, in the log. So the file itself is of
the epoch that the log shows, or of the one before; a copy made earlier is not, and a backup made by
this library has a line of its own. Copies made by SQLite and by VACUUM show in the schema's cookie.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

from .errors import FAILURES

__all__ = [
    "NEW_EPOCH",
    "NEW_LINE",
    "FileIdentity",
    "log_matches",
    "identity_in_file",
    "identity_with_log",
    "read_until_matching",
]

SINCE = 3
"""The version of the file that has it."""

NEW_LINE = "UPDATE origin SET line = random(), epoch = 1 WHERE id = 1"
NEW_EPOCH = "UPDATE origin SET epoch = epoch + 1 WHERE id = 1 AND epoch = ?"
"""After the one that the file was seen to be of; another process may have been faster."""

_TRIES = 20
_PAUSE = 0.005


class FileIdentity(NamedTuple):
    """Where a file's content comes from."""

    line: int
    epoch: int
    cookie: int
    """Of the schema; SQLite counts it, and its copies show another."""


def identity_with_log(execute: Callable[[str], Any]) -> FileIdentity | None:
    """Read it through the log; None in a file of an older version. Raises `sqlite3.Error`."""
    if int(execute("PRAGMA user_version").fetchone()[0]) < SINCE:
        return None
    found = execute("SELECT line, epoch FROM origin WHERE id = 1").fetchone()
    cookie = execute("PRAGMA schema_version").fetchone()
    return None if found is None else FileIdentity(int(found[0]), int(found[1]), int(cookie[0]))


def identity_in_file(
    connect: Callable[[str, str], sqlite3.Connection], path: str
) -> FileIdentity | None:
    """Read it in the file itself, as if there were no log. Raises `sqlite3.Error`."""
    with closing(connect(path, "ro&immutable=1")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # see `validation`
        return identity_with_log(connection.execute)


def log_matches(file: FileIdentity | None, seen: FileIdentity | None) -> bool:
    """Whether what the file holds can be under what is seen through the log."""
    if seen is None:
        return file is None
    if file is None:  # the log brings it to this version
        return seen.epoch == 1
    return (
        file.line == seen.line
        # Not only the one before: after a failed sync and a power cut the file can be further
        # behind, with all of it in the log.
        and file.epoch <= seen.epoch
        and seen.cookie - file.cookie in (0, 1)
    )


def read_until_matching(
    look: Callable[[], tuple[FileIdentity | None, FileIdentity | None]],
) -> tuple[Any, Any] | None:
    """Look until both belong together; None if they do not. Raises `sqlite3.Error`.

    Another process may bring the log in meanwhile, or be in the midst of it.
    """
    for tried in range(_TRIES):
        if tried:
            time.sleep(_PAUSE)
        try:
            file, seen = look()
        except FAILURES:
            if tried == _TRIES - 1:
                raise
            continue
        if log_matches(file, seen):
            return file, seen
    return None
