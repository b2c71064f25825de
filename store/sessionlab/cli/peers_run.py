"""`sessionkeeper bench --peers`: our stores beside what one would use instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from sessionkeeper.backends.postgres_url import SCHEMES
from sessionkeeper.cli.console import complain
from sessionkeeper.cli.progress import progress_bar

from ..bench import parse_target
from ..bench.peers import PeerStorage
from ..bench.side_by_side import (
    EXAMPLES,
    LINES,
    ComparisonPlan,
    ComparisonResult,
    Servers,
    compare_sides,
    select_lines,
)
from .bench_output import show_and_write
from .bench_run import STOPPING, StopRequest, stop_on_signal

__all__ = ["compare_with_peers"]

_BAD_INPUT = 2


def compare_with_peers(
    *,
    lines: Sequence[str],
    redis_url: str | None,
    postgres_url: str | None,
    seconds: float,
    rounds: int,
    loop: str,
    output: Path | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Compare, show and write; return the exit code."""
    try:
        plan = ComparisonPlan(
            lines=select_lines(lines) if lines else LINES,
            servers=_read_servers(redis_url, postgres_url),
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
        except ValueError as error:
            complain(str(error))
            return _BAD_INPUT
        if result.interrupted:
            complain("interrupted")
            return asked.code
        return 0 if shown and result.lines else _BAD_INPUT


def _read_servers(redis_url: str | None, postgres_url: str | None) -> Servers:
    """Read the URLs. Raises `ValueError` with a text of one line."""
    servers: dict[PeerStorage, str] = {}
    given = (
        (PeerStorage.REDIS, redis_url, ("redis", "rediss")),
        (PeerStorage.POSTGRES, postgres_url, SCHEMES),
    )
    for storage, url, schemes in given:
        if url is None:
            continue
        option, _, example = EXAMPLES[storage].partition(" ")
        if url.partition("://")[0].lower() not in schemes:
            raise ValueError(f"{option}: expected a URL such as {example}")
        try:
            parse_target(url)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None
        servers[storage] = url
    return servers


def _run(plan: ComparisonPlan, asked: StopRequest) -> ComparisonResult:
    with progress_bar("starting", None) as bar:

        def tell(text: str, /, *, done: int, total: int) -> None:
            bar.update(text, done=done, total=total)

        asked.on_signal = lambda: bar.update(STOPPING)
        try:
            return _runner(plan.loop)(compare_sides(plan, tell=tell, stopping=asked))
        finally:
            asked.on_signal = None


def _runner(
    loop: str,
) -> Callable[[Coroutine[Any, Any, ComparisonResult]], ComparisonResult]:
    if loop == "uvloop":
        import uvloop

        return uvloop.run
    return asyncio.run
