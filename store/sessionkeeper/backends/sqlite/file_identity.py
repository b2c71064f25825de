"""Tells whether a file and its log belong together, by two numbers in the file.

A copy that is put over a file whose log stays makes a mixture in which no page looks wrong. So each
file has a random id and counts epochs: the first change after a checkpoint begins an epoch, in the
log. The file itself is of the epoch that the log shows, or of an earlier one of the same id. An
older copy is not, and a backup made by this library has an id of its own. Copies made by SQLite and
by VACUUM show in the schema cookie.
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
    "NEW_FILE_ID",
    "FileIdentity",
    "log_matches",
    "identity_in_file",
    "identity_with_log",
    "read_until_matching",
]

SINCE = 3
"""The first version of a file that has these numbers."""

NEW_FILE_ID = "UPDATE origin SET file_id = random(), epoch = 1 WHERE id = 1"
NEW_EPOCH = "UPDATE origin SET epoch = epoch + 1 WHERE id = 1 AND epoch = ?"
"""Begins an epoch after this one, unless another process did so."""

_TRIES = 20
_PAUSE = 0.005


class FileIdentity(NamedTuple):
    """The file and the epoch that some content belongs to."""

    file_id: int
    epoch: int
    cookie: int
    """The schema cookie: SQLite counts it, and a copy made by SQLite has another one."""


def identity_with_log(execute: Callable[[str], Any]) -> FileIdentity | None:
    """Read the identity through the log; None before version 3. Raises `sqlite3.Error`."""
    if int(execute("PRAGMA user_version").fetchone()[0]) < SINCE:
        return None
    # By position: version 3 has another name for the second column.
    found = execute("SELECT * FROM origin WHERE id = 1").fetchone()
    cookie = execute("PRAGMA schema_version").fetchone()
    return None if found is None else FileIdentity(int(found[1]), int(found[2]), int(cookie[0]))


def identity_in_file(
    connect: Callable[[str, str], sqlite3.Connection], path: str
) -> FileIdentity | None:
    """Read the identity in the file itself, without its log. Raises `sqlite3.Error`."""
    with closing(connect(path, "ro&immutable=1")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # see `validation`
        return identity_with_log(connection.execute)


def log_matches(file: FileIdentity | None, seen: FileIdentity | None) -> bool:
    """Whether a file of the first identity can have a log that shows the second."""
    if seen is None:
        return file is None
    if file is None:  # the log holds the upgrade to version 3
        return seen.epoch == 1
    return (
        file.file_id == seen.file_id
        # After a failed sync and a power cut the file can be more than one epoch behind.
        and file.epoch <= seen.epoch
        and seen.cookie - file.cookie in (0, 1)
    )


def read_until_matching(
    look: Callable[[], tuple[FileIdentity | None, FileIdentity | None]],
) -> tuple[Any, Any] | None:
    """Read both until they belong together; None if they do not. Raises `sqlite3.Error`.

    Another process may be in the middle of a checkpoint.
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
