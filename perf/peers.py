"""Our stores beside what one would use instead, in one run: `python perf/peers.py`.

Needs the extra `perf-peers`. Prints ratios, and exits with 1 when a number is missed. `--kept` runs
the races instead: how much of what was asked for is really stored; `--redis URL` adds the peers
that need one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import uvloop
from harness import Number, Ratio, options
from peer_kept import print_kept
from sessionlab.bench.peers import PeerNotInstalled
from sessionlab.bench.side_by_side.measures import (
    Measure,
    adding,
    adding_batches,
    adding_deep,
    appending,
    asking,
    asking_pykka,
    getting,
    locked_lists,
    putting,
    set_and_get,
    setting,
)
from sessionlab.bench.targets import make_subject, parse_target

ROUNDS = 5
CALLS = 12_800
LOGS = ("langgraph", "google-adk", "fastmcp")
CACHES = ("cashews", "aiocache", "py-key-value")
PACKAGES = (
    "aiocache",
    "cashews",
    "py-key-value-aio",
    "mcp-persist",
    "fastmcp",
    "openai-agents",
    "google-adk",
    "langgraph",
    "langgraph-checkpoint-sqlite",
    "pykka",
    "mcp",
    "uvloop",
)


Side = Callable[[], Awaitable[float]]


def fresh(measure: Measure, name: str = "memory", calls: int = CALLS) -> Side:
    """Measure a fresh peer, or a fresh store of ours."""
    return lambda: measure(make_subject(parse_target(name), Path()), calls)


def by_hand(measure: Measure, calls: int = CALLS) -> Side:
    """Measure what needs no subject."""
    return lambda: measure(None, calls)


def caches(measure: Measure, calls: int = CALLS) -> dict[str, Side]:
    """Measure each cache in memory, as it comes."""
    return {name: fresh(measure, name, calls) for name in CACHES}


async def in_turn(sides: list[Side]) -> list[list[float]]:
    """Measure all sides one after the other, round after round, one round not counted."""
    rounds: list[list[float]] = []
    for _ in range(ROUNDS + 1):
        rounds.append([await side() for side in sides])
    return rounds[1:]


async def against(what: str, minimum: float, ours: Side, theirs: dict[str, Side]) -> list[Number]:
    """Compare ours with each of theirs; the number to reach is that of the fastest."""
    rounds = await in_turn([ours, *theirs.values()])
    rates = {name: median(r[n] for r in rounds) for n, name in enumerate(theirs, 1)}
    fastest = max(rates, key=lambda name: rates[name])
    numbers: list[Number] = []
    for n, name in enumerate(theirs, 1):
        ratios = [r[0] / r[n] for r in rounds]
        middle = median(ratios)
        ratio = Ratio(median(r[0] for r in rounds), rates[name], middle, min(ratios), max(ratios))
        target = f">= {minimum:g}" if name == fastest and minimum else ""
        numbers.append(
            Number(f"{what} / {name}", target, str(ratio), not target or middle >= minimum)
        )
    return numbers


async def measured(*, quiet: bool) -> list[Number]:
    """All numbers."""
    rows: list[tuple[str, float, Side, dict[str, Side]]] = [
        ("add_frame", 6, fresh(adding), {name: fresh(adding, name) for name in LOGS}),
        ("add_frame", 0, fresh(adding), {"a ready checkpoint": fresh(putting, "langgraph")}),
        (
            "add_frame, 1,600 a session",
            0,
            fresh(adding_deep),
            {name: fresh(adding_deep, name) for name in ("langgraph", "google-adk")},
        ),
        ("from bytes", 0, fresh(appending), {name: fresh(appending, name) for name in LOGS}),
        *(
            (what, minimum, fresh(measure, calls=calls), caches(measure, calls))
            for what, minimum, measure, calls in (
                ("set and get", 1.8, set_and_get, CALLS // 2),
                ("get", 0, getting, CALLS),
                ("set", 0, setting, CALLS),
            )
        ),
        (
            "add_frames of 64",
            0.8,
            fresh(adding_batches, calls=4 * CALLS),
            {"a dict of lists behind a lock": by_hand(locked_lists, 4 * CALLS)},
        ),
        ("ask", 0, by_hand(asking), {"pykka": fresh(asking_pykka, "pykka")}),
    ]
    numbers: list[Number] = []
    for what, minimum, ours, theirs in rows:
        for number in await against(what, minimum, ours, theirs):
            numbers.append(number)
            if not quiet:
                verdict = ("reached" if number.reached else "MISSED") if number.target else ""
                print(f"{number.what:48} {number.target:>8}  {verdict:8} {number.measured}")
    return numbers


def main() -> int:
    """Measure; 0 when all is reached, 2 when a peer is missing."""
    parser = options(__doc__, json="for programs", kept="what is really stored, instead")
    parser.add_argument("--redis", metavar="URL", help="with --kept: the peers that need one, too")
    asked = parser.parse_args()
    if asked.redis and not asked.kept:
        parser.error("--redis goes with --kept")
    if asked.kept and asked.json:
        parser.error("--kept prints a table")
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES if has(name))
    if not asked.json:
        print(versions, flush=True)
    if asked.kept:
        uvloop.run(print_kept(asked.redis))
        return 0
    try:
        numbers = uvloop.run(measured(quiet=asked.json))
    except PeerNotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    if asked.json:
        fields = ("what", "target", "measured", "reached")
        print(json.dumps([{name: getattr(n, name) for name in fields} for n in numbers], indent=2))
    return 0 if all(number.reached for number in numbers) else 1


def has(package: str) -> bool:
    """Whether a distribution is installed."""
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
