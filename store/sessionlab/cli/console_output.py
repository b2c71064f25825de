"""Prints what a table module shows, so that a closed output or a poor encoding ends nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from sessionkeeper.printing import printable

__all__ = ["print_shown"]

_PIPE_WIDTH = 200


def print_shown(show: Callable[[Console], None], written: Sequence[Path] = ()) -> None:
    """Print what `show` writes to the console it gets, then the files that were written.

    Raises `OSError` when the output is closed.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    # Not by the console itself: it ends the process when the output is closed, and it fails at an
    # encoding without its signs.
    with console.capture() as shown:
        show(console)
    text = "".join([shown.get(), *(f"written: {printable(str(file))}\n" for file in written)])
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()
