"""What every command says to the terminal in the same way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["complain", "run_on_loop"]

T = TypeVar("T")


def complain(text: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(f"sessionkeeper: {' '.join(text.split())}\n")
    sys.stderr.flush()


def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine under uvloop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
