"""`sessionkeeper demo` records real MCP clients and servers, and checks every stored byte."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .console import INTERRUPTED, complain, print_line, run_on_loop
from .progress import progress_bar

if TYPE_CHECKING:
    from ..demo.stage import Stage

__all__ = ["demo"]

T = TypeVar("T")

_ENDS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPT_TIMEOUT = 0.5
"""Seconds."""
_INSTALL = "the demo is not installed: pip install 'sessionkeeper[demo]'"


def demo(
    sessions: Annotated[
        int, typer.Option(min=2, max=200, help="Number of sessions to open at once.")
    ] = 25,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Record real MCP sessions and check that every byte was stored.

    Clients of the official SDK talk to public MCP servers, all at once; one client is killed in
    the middle. Exit code 1 if the check fails.
    """
    try:
        from rich.console import Console

        from ..demo.run import run_demo
        from ..demo.session_setup import STEPS
        from ..demo.show import result_as_dict, show_result
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("mcp", "rich"):
            raise
        complain(_INSTALL)
        return 2
    with progress_bar(f"{sessions} sessions", sessions * STEPS) as bar:
        stages: list[Stage] = []
        run = run_demo(sessions, bar.advance, say=bar.update, on_stage=stages.append)

        def give_up() -> None:
            for stage in stages:
                stage.clear()
            bar.stop()
            complain("interrupted")
            os._exit(INTERRUPTED)

        try:
            result = run_on_loop(_interruptible(run, give_up))
        except (asyncio.CancelledError, KeyboardInterrupt):
            complain("interrupted")
            return INTERRUPTED
        except ModuleNotFoundError:
            complain(_INSTALL)
            return 2
        except ExceptionGroup as broken:
            # The first one; the others were cancelled, or failed for the same reason.
            complain(f"the demo failed: {broken.exceptions[0]}")
            return 1
    if as_json:
        print_line(json.dumps(result_as_dict(result)))
    else:
        show_result(result, Console())
    return 0 if result.ok else 1


async def _interruptible(run: Coroutine[Any, Any, T], give_up: Callable[[], None]) -> T:
    """Run to the end; Ctrl-C cancels the run, and kills it if it does not end soon."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(run)

    def interrupt() -> None:
        task.cancel()
        # A client of the SDK may wait seconds for its server; Ctrl-C must not take that long.
        loop.call_later(_INTERRUPT_TIMEOUT, give_up)

    for signum in _ENDS:
        loop.add_signal_handler(signum, interrupt)
    try:
        return await task
    finally:
        for signum in _ENDS:  # otherwise a signal would go to the loop that has ended
            loop.remove_signal_handler(signum)
