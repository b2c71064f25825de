"""The standard streams, messages, Ctrl-C and the event loop, the same for every command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..printing import PrintableStream, printable

if TYPE_CHECKING:
    from io import TextIOWrapper

__all__ = [
    "INTERRUPTED",
    "complain",
    "interruptible",
    "prepare_streams",
    "print_line",
    "run_on_loop",
    "say",
]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""

T = TypeVar("T")


def prepare_streams() -> None:
    """Make sure that all three standard streams exist.

    A closed descriptor (`>&-`) is opened on /dev/null. Otherwise the next file would get its
    number: libuv aborts then, and output could end up in one of our pipes. Writing to a closed
    stdout still fails; messages to a closed stderr are lost. Characters that the terminal cannot
    encode are escaped, and on stderr all that do not print: a traceback may quote anything.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest free number
    # They stay open as long as the process runs.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - stays open
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - stays open
    with suppress(AttributeError):  # replaced by something else, as in a test
        cast("TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    sys.stderr = cast("TextIOWrapper", PrintableStream(sys.stderr))


def complain(text: str) -> None:
    """Print one line on stderr, prefixed with the program's name."""
    say(f"sessionkeeper: {' '.join(text.split())}")


def say(line: str) -> None:
    """Print a line on stderr, and ignore a closed stderr."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()


def print_line(line: str) -> None:
    """Print a line on stdout, in one write. Raises `OSError` when it is closed."""
    sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.flush()


@contextmanager
def interruptible() -> Generator[None]:
    """Let Ctrl-C interrupt a call that blocks the loop: a read of stdin, a write to a full pipe.

    The loop's own handler only cancels the task, which would notice it after the call.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _is_cancelled():  # by a Ctrl-C a moment ago: after the call it could be too late
            raise KeyboardInterrupt
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return False
    return task is not None and task.cancelling() > 0


def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, on uvloop if it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
