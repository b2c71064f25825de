"""`sessionkeeper demo` records real MCP clients and servers, and checks every stored byte."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .console import INTERRUPTED, complain, run_on_loop

if TYPE_CHECKING:
    from ..demo.stage import Stage

__all__ = ["demo"]

T = TypeVar("T")

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
        from rich.progress import Progress, TimeElapsedColumn

        from ..demo.plan import STEPS
        from ..demo.run import run_demo
        from ..demo.show import result_as_dict, show_result
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("mcp", "rich"):
            raise
        complain(_INSTALL)
        return 2
    terminal = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
    shown = terminal.is_terminal
    with Progress(*columns, console=terminal, transient=True, disable=not shown) as progress:
        bar = progress.add_task(f"{sessions} sessions", total=sessions * STEPS)
        stages: list[Stage] = []
        run = run_demo(
            sessions,
            lambda: progress.advance(bar),
            say=lambda now: progress.update(bar, description=now),
            on_stage=stages.append,
        )

        def give_up() -> None:
            for stage in stages:
                stage.clear()
            progress.stop()
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
            # The first one; the others were cancelled, or failed because of the same.
            complain(f"the demo failed: {broken.exceptions[0]}")
            return 1
    if as_json:
        json.dump(result_as_dict(result), sys.stdout, indent=2)
        sys.stdout.write("\n")
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

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, interrupt)
    return await task
