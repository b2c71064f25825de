"""What every command says to the terminal in the same way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["INTERRUPTED", "complain", "run_on_loop", "say"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""

T = TypeVar("T")


def complain(text: str) -> None:
    """Say one line on stderr, as the program."""
    say(f"sessionkeeper: {' '.join(text.split())}")


def say(line: str) -> None:
    """Write a line to stderr; that nobody reads it is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine under uvloop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
