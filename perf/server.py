"""What a server costs: `python perf/server.py`, with `--engine valkey` or both by default.

Ratios of one run, each on a server of its own on loopback. `--large` measures with a million
sessions instead; `--only` a part; `--json` prints for programs. Lines without a target are for
sizing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import TypeAlias

import uvloop
from harness import Number, Operation, Ratio, compare
from own_server import own_server, server_version
from peers import has
from server_costs import cost_of_each_operation
from server_growth import bytes_a_frame
from server_large import find_among_a_million
from server_sides import glide, opened, peer_log, redis_py
from server_team import four_processes, one_hot_session
from sessionlab.bench.peers import PeerNotInstalled

ROUNDS = 7
CALLERS = 64
OURS, THEIRS = 6_400, 1_920
PEERS = ("mcp-persist-redis", "openai-agents-redis")

Measure: TypeAlias = Callable[[str], Coroutine[None, None, list[Number]]]
"""By the URL of a server that is empty and nobody else's."""


def number(what: str, target: float, got: Ratio) -> Number:
    """One line."""
    return Number(what, f">= {target:g}", str(got), got.ratio >= target)


async def side_by_side(ours: Operation, theirs: Operation, callers: int = CALLERS) -> Ratio:
    """Measure both in short turns."""
    return await compare(
        ours, theirs, callers=callers, total=THEIRS, ours_total=OURS, rounds=ROUNDS
    )


async def against_redis_py(url: str) -> list[Number]:
    """Appends and reads, one call each."""
    async with opened(url, CALLERS) as scene, redis_py(scene, CALLERS) as (append, read):
        return [
            number(
                "add_frame, 64 callers / redis-py, an EVALSHA each",
                3,
                await side_by_side(scene.add, append),
            ),
            number(
                "get_session, 64 callers / redis-py, an HGETALL each",
                3,
                await side_by_side(scene.get, read),
            ),
        ]


async def against_glide(url: str) -> list[Number]:
    """The same script by a client written in Rust."""
    async with opened(url, CALLERS) as scene, glide(scene, CALLERS) as append:
        got = await side_by_side(scene.add, append)
    return [number("add_frame, 64 callers / valkey-glide, an EVALSHA each", 2, got)]


async def against_peers(url: str) -> list[Number]:
    """The number to reach is that of the fastest."""
    ratios: dict[str, Ratio] = {}
    for name in PEERS:
        async with opened(url, CALLERS) as scene, peer_log(scene, name, CALLERS) as append:
            ratios[name] = await side_by_side(scene.add, append)
    return [number(f"add_frame, 64 callers / {name}", 3, got) for name, got in ratios.items()]


async def many_callers(url: str) -> list[Number]:
    """A thousand callers beside 64; an error of any ends the run."""
    async with opened(url, 1_000) as scene:
        got = await compare(
            *(scene.add, scene.add),
            callers=CALLERS,
            total=OURS,
            ours_callers=1_000,
            ours_total=8_000,
            rounds=ROUNDS,
        )
    return [number("add_frame, 1,000 callers / 64 callers", 0.8, got)]


async def one_caller(url: str) -> list[Number]:
    """The latency is what a rate of one caller says upside down."""
    async with opened(url, 1) as scene, redis_py(scene, 1) as (append, _):
        got = await compare(append, scene.add, callers=1, total=600, rounds=ROUNDS)
    what = "latency of add_frame, 1 caller / a bare EVALSHA by redis-py"
    return [Number(what, "<= 1.5", str(got), got.ratio <= 1.5)]


NUMBERS: tuple[Measure, ...] = (
    against_redis_py,
    many_callers,
    against_glide,
    against_peers,
    one_caller,
    four_processes,
    one_hot_session,
    bytes_a_frame,
    cost_of_each_operation,
)


def show(number: Number) -> None:
    """Print one line."""
    verdict = ("reached" if number.reached else "MISSED") if number.target else ""
    print(f"{number.what:66} {number.target:>8}  {verdict:8} {number.measured}", flush=True)


def measured(engine: str, measures: tuple[Measure, ...], *, quiet: bool) -> list[Number]:
    """All numbers of one engine, each on a fresh server, printed as they come."""
    numbers: list[Number] = []
    for measure in measures:
        with own_server(engine) as server:
            if not quiet and measure is measures[0]:
                print(f"{server_version(server)}, {os.cpu_count()} cores", flush=True)
            for each in uvloop.run(measure(server.url)):
                numbers.append(each)
                if not quiet:
                    show(each)
    return numbers


def main() -> int:
    """Measure; 0 when all are reached, 2 when a peer is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("redis", "valkey"), help="one of them alone")
    parser.add_argument("--only", help="a part of a measurement's name: glide, peers, bytes ...")
    parser.add_argument("--large", action="store_true", help="with a million sessions, instead")
    parser.add_argument("--json", action="store_true", help="for programs")
    told = parser.parse_args()
    measures: tuple[Measure, ...] = (find_among_a_million,) if told.large else NUMBERS
    measures = tuple(each for each in measures if (told.only or "") in each.__name__)
    if not measures:
        parser.error(f"no measurement has {told.only!r} in its name")
    if not told.json:
        names = ("redis", "hiredis", "uvloop", "valkey-glide", "mcp-persist", "openai-agents")
        print(", ".join(f"{name} {version(name)}" for name in names if has(name)))
    numbers: dict[str, list[Number]] = {}
    try:
        for engine in [told.engine] if told.engine else ["redis", "valkey"]:
            numbers[engine] = measured(engine, measures, quiet=told.json)
    except PeerNotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    if told.json:
        fields = ("what", "target", "measured", "reached")
        print(
            json.dumps(
                [
                    {"engine": engine, **{name: getattr(each, name) for name in fields}}
                    for engine, those in numbers.items()
                    for each in those
                ],
                indent=2,
            )
        )
    return 0 if all(each.reached for those in numbers.values() for each in those) else 1


if __name__ == "__main__":
    sys.exit(main())
