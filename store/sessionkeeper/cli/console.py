"""What every command says to the terminal in the same way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from io import TextIOWrapper

__all__ = ["INTERRUPTED", "complain", "interruptible", "prepare_streams", "run_on_loop", "say"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""

T = TypeVar("T")


def prepare_streams() -> None:
    """Have three standard streams that every command can use.

    Something takes the place of a descriptor that was closed, as by `>&-`. Else the next file
    opened would: libuv ends the process over that, and what is printed could land in a pipe of
    ours. What is written to a closed stdout fails, as it would have; what is said on a closed
    stderr is lost. A character that the terminal has not is escaped.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest that is free
    # Open for as long as the process runs.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as said
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as said
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as said
    with suppress(AttributeError):  # whatever somebody put in its place
        cast("TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")


def complain(text: str) -> None:
    """Say one line on stderr, as the program."""
    say(f"sessionkeeper: {' '.join(text.split())}")


def say(line: str) -> None:
    """Write a line to stderr; that nobody reads it is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


@contextmanager
def interruptible() -> Generator[None]:
    """Let Ctrl-C end what blocks the loop: a read of stdin, a pipe that nobody empties.

    The loop's own handler only cancels the task, which would hear of it afterwards.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine under uvloop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
