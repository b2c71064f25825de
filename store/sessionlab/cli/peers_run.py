"""`sessionkeeper bench --peers`: our stores beside what one would use instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from sessionkeeper.cli.console import complain
from sessionkeeper.cli.progress import progress_bar

from ..bench import parse_target
from ..bench.peers import PeerNotInstalled
from ..bench.side_by_side import (
    LINES,
    ComparisonPlan,
    ComparisonResult,
    compare_sides,
    select_lines,
)
from .bench_output import show_and_write
from .bench_run import stop_on_signal

__all__ = ["compare_with_peers"]

_BAD_INPUT = 2


def compare_with_peers(
    *,
    lines: Sequence[str],
    redis_url: str | None,
    seconds: float,
    rounds: int,
    loop: str,
    output: Path | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Compare, show and write; return the exit code."""
    try:
        if redis_url is not None:
            _check_url(redis_url)
        plan = ComparisonPlan(
            lines=select_lines(lines) if lines else LINES,
            redis_url=redis_url,
            seconds=seconds,
            rounds=rounds,
            loop=loop,
        )
    except ValueError as error:
        complain(str(error))
        return _BAD_INPUT
    with stop_on_signal() as asked:
        try:
            result = _run(plan, asked)
            shown = show_and_write(result, output, html, as_json=as_json)
        except KeyboardInterrupt:
            complain("interrupted")
            return asked.code
        except (ValueError, PeerNotInstalled) as error:
            complain(f"--redis: {error}")
            return _BAD_INPUT
        if result.interrupted:
            complain("interrupted")
            return asked.code
        return 0 if shown and result.lines else _BAD_INPUT


def _check_url(url: str) -> None:
    if url.partition("://")[0] not in ("redis", "rediss"):
        raise ValueError("--redis: expected a URL such as redis://localhost:6379")
    parse_target(url)


def _run(plan: ComparisonPlan, asked: Callable[[], bool]) -> ComparisonResult:
    with progress_bar("starting", None) as bar:

        def tell(text: str, /, *, done: int, total: int) -> None:
            bar.update(text, done=done, total=total)

        return _runner(plan.loop)(compare_sides(plan, tell=tell, stopping=asked))


def _runner(
    loop: str,
) -> Callable[[Coroutine[Any, Any, ComparisonResult]], ComparisonResult]:
    if loop == "uvloop":
        import uvloop

        return uvloop.run
    return asyncio.run
