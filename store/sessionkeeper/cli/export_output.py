"""The file or the stream that an export is written to."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["output_stream"]


@contextmanager
def output_stream(output: Path | None, *, encoding: str = "ascii") -> Generator[TextIO]:
    """Open the stream to write to; remove the file if writing fails.

    The file must not exist, and only its owner can read it. Raises `OSError`.
    """
    if output is None:
        yield sys.stdout
        return
    descriptor = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(
            descriptor, "w", encoding=encoding, errors="backslashreplace", newline=""
        ) as stream:
            yield stream
    except BaseException:
        output.unlink(missing_ok=True)
        raise
