"""Our stores beside what one would use instead, in one run: `python perf/peers.py`.

Needs the extra `perf-peers`. Prints ratios, and exits with 1 when a number is missed. `--kept` runs
the races instead: how much of what was asked for is really stored; `--redis URL` and
`--postgres URL` add the lines and the peers that need one.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import msgspec
import uvloop
from harness import options
from peer_kept import print_kept
from sessionlab.bench.peers import PeerStorage
from sessionlab.bench.side_by_side import (
    LINES,
    ComparisonPlan,
    ComparisonResult,
    LineResult,
    SideResult,
    compare_sides,
    select_lines,
)

SECONDS = 30.0
"""For each side of a line: in memory, every side gets all calls of its line."""
PACKAGES = (
    "aiocache",
    "aiosqlite",
    "cashews",
    "py-key-value-aio",
    "mcp-persist",
    "fastmcp",
    "openai-agents",
    "google-adk",
    "langgraph",
    "langgraph-checkpoint-postgres",
    "langgraph-checkpoint-sqlite",
    "pykka",
    "asyncpg",
    "mcp",
    "redis",
    "uvloop",
)
TARGETS = {
    ("memory: from bytes to stored", "langgraph"): 2.0,
    ("memory: from bytes to stored", "google-adk"): 6.0,
    ("memory: add_frame, ready messages", "google-adk"): 2.5,
    ("memory: add_frame, ready messages", "langgraph"): 3.5,
    ("memory: add_frame, ready messages", "locked lists"): 0.12,
    ("memory: add_frames of 64", "locked lists"): 0.8,
    ("memory: ask", "bare hand-off"): 0.70,
    ("memory: get_session", "bare hand-off"): 0.55,
    ("memory: set and get of 1 KB", "cashews"): 0.7,
    ("file: add_frame", "aiosqlite"): 7.0,
    ("file: add_frame", "mcp-persist-sqlite"): 2.0,
    ("file: add_frame, all on one session", "mcp-persist-sqlite"): 1.5,
    ("Redis: add_frame", "redis-py"): 3.3,
    ("Redis: add_frame", "mcp-persist-redis"): 3.5,
    ("PostgreSQL: add_frame", "asyncpg, one connection"): 20.0,
    ("PostgreSQL: add_frame", "asyncpg, a pool of 16"): 3.0,
    ("PostgreSQL: add_frame", "mcp-persist-postgres"): 3.0,
    ("PostgreSQL: add_frame", "langgraph-postgres"): 3.0,
    ("PostgreSQL: add_frame", "openai-agents-postgres"): 3.0,
    ("PostgreSQL: add_frame", "google-adk-postgres"): 3.0,
}
"""At least, by line and side."""


def told(line: LineResult, side: SideResult) -> bool:
    """Print a line; whether its number is reached."""
    target = TARGETS.get((line.title, side.name))
    reached = target is None or side.ratio.median >= target
    verdict = "" if target is None else "reached" if reached else "MISSED"
    ratio = f"{side.ratio.median:6.2f}  ({side.ratio.low:.2f} to {side.ratio.high:.2f};"
    print(
        f"{f'{line.title} / {side.name}':62} {'' if target is None else f'>= {target:g}':>8} "
        f" {verdict:8} {ratio} {line.ours.median:,.0f}/s against {side.per_second.median:,.0f}/s)"
    )
    return reached


def show(result: ComparisonResult) -> int:
    """Print the table and what is not in it; how many numbers are missed."""
    pairs = [(line, side) for line in result.lines for side in line.theirs]
    missed = [told(*pair) for pair in pairs].count(False)
    for each in result.absent:
        print(f"{each.name}: {each.reason}", file=sys.stderr)
    return missed


def main() -> int:
    """Measure; 0 when all is reached."""
    parser = options(__doc__, json="for programs", kept="what is really stored, instead")
    parser.add_argument("--redis", metavar="URL", help="its lines and peers, too")
    parser.add_argument("--postgres", metavar="URL", help="its lines and peers, too")
    parser.add_argument(
        "--only", action="append", help="lines or peers with this text in their names; repeatable"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each line")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each side, at most")
    asked = parser.parse_args()
    if asked.kept and asked.json:
        parser.error("--kept prints a table")
    if not asked.json:
        print(", ".join(f"{name} {version(name)}" for name in PACKAGES if has(name)), flush=True)
    if asked.kept:
        uvloop.run(print_kept(asked.redis, asked.postgres))
        return 0
    try:
        lines = select_lines(asked.only) if asked.only else LINES
    except ValueError as error:
        parser.error(str(error))
    given = ((PeerStorage.REDIS, asked.redis), (PeerStorage.POSTGRES, asked.postgres))
    servers = {storage: url for storage, url in given if url is not None}
    plan = ComparisonPlan(lines, servers, asked.seconds, asked.rounds, "uvloop")
    try:
        result = uvloop.run(compare_sides(plan, tell=report))
    except ValueError as error:
        parser.error(str(error))
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(result)).decode())
        return 0
    return 1 if show(result) else 0


def report(text: str, /, *, done: int, total: int) -> None:
    """Say what is measured now, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done}/{total} {text}", end="\r", file=sys.stderr, flush=True)


def has(package: str) -> bool:
    """Whether a distribution is installed."""
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
