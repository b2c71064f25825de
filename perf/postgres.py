"""What PostgreSQL costs: `python perf/postgres.py`, on a server of its own with fsync.

Ratios of one run. `--large` measures with a million sessions instead; `--only` a part; `--json`
prints for programs. Lines without a target are limits, or for sizing. `chrt -f 5` before it
keeps other programs out of the numbers, for the server is started by this process.
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
from harness import Number, Ratio, compare
from own_server import own_postgres
from postgres_growth import bytes_a_frame
from postgres_large import find_among_a_million
from postgres_sides import ROWS, opened
from postgres_team import four_processes
from sqlite import seconds_of_sync

ROUNDS = 7
CALLERS = 64
OURS = 12_800

Measure: TypeAlias = Callable[[str], Coroutine[None, None, list[Number]]]
"""By the URL of a database."""


def number(what: str, target: float, got: Ratio) -> Number:
    """One line."""
    return Number(what, f">= {target:g}", str(got), got.ratio >= target)


async def against_one_connection(url: str) -> list[Number]:
    """A transaction an append, one after the other; and what no store could pass."""
    async with opened(url, CALLERS) as scene, scene.one_connection() as append:
        got = await compare(scene.add, append, ours_total=OURS, total=1_280, rounds=ROUNDS)
        async with scene.batches() as commit:
            limit = await compare(
                *(commit, append),
                ours_callers=1,
                ours_total=OURS // ROWS,
                ours_weight=ROWS,
                total=1_280,
                rounds=ROUNDS,
            )
    what = "add_frame, 64 callers / asyncpg, a transaction an append"
    return [
        number(f"{what}, one connection", 20, got),
        Number("the limit of that: 64 in one transaction by hand", "", str(limit), reached=True),
    ]


async def against_a_pool(url: str) -> list[Number]:
    """16 at the same time, whose commits the server joins."""
    async with opened(url, CALLERS) as scene, scene.pool(16) as append:
        got = await compare(scene.add, append, ours_total=OURS, total=3_200, rounds=ROUNDS)
    return [number("add_frame, 64 callers / the same, a pool of 16", 3, got)]


async def against_executemany(url: str) -> list[Number]:
    """Rows and a commit, without sessions, numbers and counters."""
    async with opened(url, CALLERS) as scene, scene.executemany() as commit:
        got = await compare(
            *(scene.add, commit),
            callers=1,
            total=OURS // ROWS,
            ours_callers=CALLERS,
            ours_total=OURS,
            ours_weight=1 / ROWS,
            rounds=ROUNDS,
        )
    return [number("add_frame, 64 callers / executemany of 64 rows a commit", 0.4, got)]


async def one_caller(url: str) -> list[Number]:
    """The latency is what a rate of one caller says upside down."""
    async with opened(url, 1) as scene, scene.one_connection() as append:
        got = await compare(append, scene.add, callers=1, total=600, rounds=ROUNDS)
    what = "latency of add_frame, 1 caller / a bare transaction by asyncpg"
    return [Number(what, "<= 1.5", str(got), got.ratio <= 1.5)]


NUMBERS: tuple[Measure, ...] = (
    against_one_connection,
    against_a_pool,
    against_executemany,
    one_caller,
    four_processes,
    bytes_a_frame,
)


def show(number: Number) -> None:
    """Print one line."""
    verdict = ("reached" if number.reached else "MISSED") if number.target else ""
    print(f"{number.what:70} {number.target:>8}  {verdict:8} {number.measured}", flush=True)


def measured(measures: tuple[Measure, ...], *, quiet: bool) -> list[Number]:
    """All numbers, printed as they come."""
    numbers: list[Number] = []
    with own_postgres() as server:
        if not quiet:
            told = server.psql("SHOW server_version").strip()
            took = seconds_of_sync() * 1e6
            print(
                f"PostgreSQL {told}, asyncpg {version('asyncpg')}, {os.cpu_count()} cores,"
                f" a sync of {took:.0f} us",
                flush=True,
            )
        for measure in measures:
            for each in uvloop.run(measure(server.url)):
                numbers.append(each)
                if not quiet:
                    show(each)
    return numbers


def main() -> int:
    """Measure; 0 when all are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="a part of a measurement's name: pool, caller, bytes ...")
    parser.add_argument("--large", action="store_true", help="with a million sessions, instead")
    parser.add_argument("--json", action="store_true", help="for programs")
    told = parser.parse_args()
    measures: tuple[Measure, ...] = (find_among_a_million,) if told.large else NUMBERS
    measures = tuple(each for each in measures if (told.only or "") in each.__name__)
    if not measures:
        parser.error(f"no measurement has {told.only!r} in its name")
    numbers = measured(measures, quiet=told.json)
    if told.json:
        fields = ("what", "target", "measured", "reached")
        print(json.dumps([{name: getattr(n, name) for name in fields} for n in numbers], indent=2))
    return 0 if all(each.reached for each in numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
