"""`sessionkeeper bench`: how fast stores are on this machine, and what they actually stored."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from sessionkeeper.cli.console import complain

from ..bench import (
    DEFAULT_SESSIONS,
    DEFAULT_TARGETS,
    MIXES,
    BenchPlan,
    Load,
    MeasurementFailed,
    Target,
    has_losses,
    parse_sizes,
    parse_target,
)
from .bench_output import show_and_write, writable
from .bench_run import run_with_progress, stop_on_signal
from .peers_run import compare_with_peers

__all__ = ["bench"]

LOST, BAD_INPUT = 1, 2
_LONGEST_ROUND = 2.0
"""Seconds. In longer rounds stores take turns less often and hold more."""
_LOAD_OPTIONS = (
    *("mix", "callers", "rate", "half", "sessions", "frames", "payload"),
    *("seconds", "warmup", "rounds", "workers"),
)
_SERVERS = ("redis", "postgres")
_NOT_OF_PEERS = (
    *("store", "mix", "callers", "rate", "half", "sessions", "frames", "skew", "payload"),
    *("warmup", "workers", "seed", "growth", "max_size"),
)


class MeasuredLoop(StrEnum):
    """The event loop of the stores that are measured."""

    UVLOOP = "uvloop"
    ASYNCIO = "asyncio"


def bench(  # noqa: PLR0917 - as typer wants them
    context: typer.Context,
    store: Annotated[
        list[str] | None,
        typer.Option(
            help="Store to measure: a URL, memory, sqlite, sqlite-os, a design, a peer or"
            " module:Class; may be repeated.",
            show_default=", ".join(DEFAULT_TARGETS),
        ),
    ] = None,
    mix: Annotated[
        str, typer.Option(help=f"Mix of operations: {', '.join(MIXES)}.")
    ] = "conversation",
    callers: Annotated[
        str | None,
        typer.Option(
            help="Closed loop: concurrent callers per process.",
            show_default="1,64,512",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Open loop: arrivals per second; latency counts from the scheduled time.",
            show_default="none",
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option("--half", help="Afterwards, run an open loop at half the peak throughput."),
    ] = False,
    sessions: Annotated[
        str, typer.Option(help="Number of sessions, 1 to 1,000,000; several with commas.")
    ] = f"{DEFAULT_SESSIONS}",
    frames: Annotated[
        int, typer.Option("--frames-each", min=0, help="Messages in each session before the load.")
    ] = 0,
    skew: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=5.0,
            help="Zipf exponent of session popularity; 0 is uniform.",
            show_default="the mix's",
        ),
    ] = None,
    payload: Annotated[
        str, typer.Option(help="Message size: 100B to 1MB, several with commas, or mixed.")
    ] = "1KB",
    seconds: Annotated[
        float,
        typer.Option(min=0.05, max=3_600, help="Seconds to measure each store under each load."),
    ] = 1.5,
    warmup: Annotated[
        float, typer.Option(min=0.0, max=60, help="Seconds of load before each round is measured.")
    ] = 0.2,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000,
            help="Rounds per store; long runs are split into more.",
            show_default="3; 5 with --peers",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Number of processes that share a store.")
    ] = 1,
    loop: Annotated[MeasuredLoop, typer.Option(help="Event loop.")] = MeasuredLoop.UVLOOP,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed; the same seed gives the same load.")
    ] = 1,
    growth: Annotated[
        bool,
        typer.Option(
            "--growth", help="Measure how cost grows with store size, instead of running loads."
        ),
    ] = False,
    max_size: Annotated[
        int,
        typer.Option(
            min=1_000, max=10_000_000, help="Maximum number of sessions and frames in --growth."
        ),
    ] = 100_000,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Compare our stores with the installed peers and with code by hand, line by line"
            " in turns, instead of running loads. Takes one to three minutes, longer with servers.",
        ),
    ] = False,
    lines: Annotated[
        list[str] | None,
        typer.Option(
            help="With --peers: only the lines with this text in their names or in those of the"
            " peers, such as file, or redis-py; may be repeated.",
            show_default="all",
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="With --peers: URL of a Redis or Valkey server for the lines that need one. Keys"
            " get unique prefixes and are deleted afterwards.",
            show_default="none: these lines are left out",
        ),
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(
            help="With --peers: URL of a PostgreSQL database for the lines that need one. Each side"
            " has a schema of its own, which is dropped afterwards.",
            show_default="none: these lines are left out",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the result as JSON to this file.", show_default="none"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page with charts to this file.", show_default="none"),
    ] = None,
) -> int:
    """Measure stores under load: speed, latency, and what was actually stored.

    Exit code 0 if everything acknowledged is stored once, 1 if something is lost or stored twice,
    2 for wrong usage, 130 after Ctrl-C (which still shows the results so far).
    """
    _require_installed(loop)
    for option, file in (("--html", html), ("--output", output)):
        if file is not None and not writable(file):
            raise typer.BadParameter(f"{file} cannot be written", param_hint=option)
    if html is not None and output is not None and html.absolute() == output.absolute():
        raise typer.BadParameter("these must be two different files", param_hint="--html, --output")
    if peers:
        _refuse_unused(context, _NOT_OF_PEERS, "cannot be used with --peers")
        return compare_with_peers(
            lines=lines or (),
            redis_url=redis,
            postgres_url=postgres,
            seconds=seconds,
            rounds=rounds or 5,
            loop=loop.value,
            output=output,
            html=html,
            as_json=as_json,
        )
    _refuse_unused(context, ("lines",), "requires --peers")
    _refuse_unused(context, _SERVERS, "requires --peers; a store on a server is --store URL")
    unused, why = (_LOAD_OPTIONS, "cannot be used with") if growth else (("max_size",), "requires")
    _refuse_unused(context, unused, f"{why} --growth")
    if rate is not None and callers is not None:
        raise typer.BadParameter("use only one of them", param_hint="--rate, --callers")
    if half and rate is not None:
        raise typer.BadParameter("cannot be used with --rate", param_hint="--half")
    even = growth and skew is None
    rounds = max(rounds or 3, math.ceil(seconds / _LONGEST_ROUND))
    try:
        plan = BenchPlan(
            targets=_targets(store or DEFAULT_TARGETS),
            loads=tuple(
                Load(
                    mix=mix,
                    callers=1 if each is None else each,
                    rate=arrivals,
                    sessions=int(many),
                    skew=_skew(mix, 0.0 if even else skew),
                    sizes=parse_sizes(payload),
                    seconds=seconds / rounds,
                    warmup=warmup,
                    seed=seed,
                    frames=frames,
                )
                for many in _numbers("--sessions", sessions, 1, 1_000_000)
                for each, arrivals in _parse_loads(callers, rate)
            ),
            rounds=rounds,
            loop=loop.value,
            workers=workers,
            growth=max_size if growth else None,
            half=half,
        )
    except ValueError as error:
        complain(str(error))
        return BAD_INPUT
    with stop_on_signal() as asked:
        try:
            result = run_with_progress(plan, asked)
            shown = show_and_write(result, output, html, as_json=as_json)
        except MeasurementFailed as failed:
            if failed.partial_result is not None:
                show_and_write(failed.partial_result, output, html, as_json=as_json)
            complain(str(failed))
            return BAD_INPUT
        except KeyboardInterrupt:
            complain("interrupted")
            return asked.code
        if result.interrupted:
            complain("interrupted")
            return asked.code
        return BAD_INPUT if not shown else LOST if has_losses(result) else 0


def _refuse_unused(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that would have no effect."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in names and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(why, param_hint=option.opts[0])


def _targets(names: Sequence[str]) -> tuple[Target, ...]:
    folder = str(Path.cwd())
    own = any(":" in name and "://" not in name for name in names)
    if own and folder not in sys.path:
        sys.path.insert(0, folder)  # as `python -m` does: the user's class is usually there
    return tuple(map(parse_target, dict.fromkeys(names)))


def _require_installed(loop: MeasuredLoop) -> None:
    if find_spec("hdrh") is None:
        raise typer.BadParameter("missing: pip install 'sessionkeeper[bench]'", param_hint="bench")
    if loop is MeasuredLoop.UVLOOP and find_spec("uvloop") is None:
        raise typer.BadParameter("uvloop is not installed", param_hint="--loop")


def _parse_loads(
    callers: str | None, rate: str | None
) -> Sequence[tuple[int, None] | tuple[None, float]]:
    """Return the callers, or the arrivals per second, of each load."""
    if rate is not None:
        return [(None, each) for each in _numbers("--rate", rate, 0.1, 1_000_000)]
    return [
        (int(each), None)
        for each in _numbers("--callers", "1,64,512" if callers is None else callers, 1, 100_000)
    ]


def _skew(mix: str, asked: float | None) -> float:
    return MIXES[mix].skew if asked is None and mix in MIXES else asked or 0.0


def _numbers(option: str, text: str, minimum: float, maximum: float) -> list[float]:
    numbers: list[float] = []
    for part in text.split(","):
        try:
            number = float(part) if option == "--rate" else int(part)
        except ValueError:
            number = math.nan
        if not minimum <= number <= maximum:
            raise typer.BadParameter(
                f"{part.strip()!r}: expected {minimum:,} to {maximum:,}, or a list with commas",
                param_hint=option,
            )
        numbers.append(number)
    return numbers
