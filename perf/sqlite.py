"""What a file costs: `python perf/sqlite.py`; `--large` adds a million frames. Ratios of one run.

The raw side is SQLite's own module on the same tables, in the same process, with the same settings,
and with one index on the frames, as one has it by hand. `--folder /dev/shm` measures where a sync
is free, as on any tmpfs. The goals depend on what a sync takes.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from statistics import median

import aiosqlite
import uvloop
from harness import Number, Operation, Ratio, options, throughput
from ratios import MESSAGE, envelope
from sessionkeeper import Session, SQLiteSessionStore, StoreLimits
from sessionkeeper.backends.sqlite.opening import open_file
from sessionkeeper.values.guarantees import Durability

INSERT = (
    "INSERT INTO frames (session, seq, direction, sent_at, detail, message)"
    " VALUES (?, ?, 0, 1700000000000000, NULL, ?)"
)
INDEX = "CREATE UNIQUE INDEX by_hand ON frames (session, seq)"
CALLERS = 64
ROUNDS = 5
FREE_SYNC, CHEAP_SYNC = 20e-6, 1e-3
"""Seconds: a sync that takes less is free, as on tmpfs, or cheap."""


class Raw:
    """SQLite as one would use it by hand: rows to the frames' table and a commit."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "raw.db"
        self.connection = open_file(str(self.path), Durability.DISK)
        self.connection.execute("PRAGMA wal_autocheckpoint = 1000")
        self.connection.execute(INDEX)
        self.seq = 0

    def commit(self, rows: int, sessions: int) -> None:
        """Append so many rows, in turn to so many sessions, in one transaction."""
        first = self.seq
        self.seq += rows
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(
            INSERT, [(1 + n % sessions, n, MESSAGE) for n in range(first, first + rows)]
        )
        self.connection.execute("COMMIT")

    def rate(self, rows: int, sessions: int, commits: int) -> float:
        """Rows a second."""
        begun = time.perf_counter()
        for _ in range(commits):
            self.commit(rows, sessions)
        return rows * commits / (time.perf_counter() - begun)


@cache
def seconds_of_sync() -> float:
    """How long a sync takes where the files are."""
    times: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(9):
            file.write(MESSAGE)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return median(times)


def goal(cheap: float, dear: float) -> float:
    """The ratio to reach where a sync is cheap or dear; none where it is free."""
    took = seconds_of_sync()
    return 0 if took < FREE_SYNC else cheap if took < CHEAP_SYNC else dear


def folder() -> tempfile.TemporaryDirectory[str]:
    """A place that is gone afterwards."""
    return tempfile.TemporaryDirectory(prefix="perf-")


async def store_with(place: str, sessions: int) -> SQLiteSessionStore:
    """An open store with sessions s0, s1 …"""
    store = await SQLiteSessionStore(Path(place) / "store.db").open()
    for n in range(sessions):
        await store.create_session(Session.new(transport_type="stdio", id=f"s{n}"))
    return store


async def against(
    ours: Callable[[], Awaitable[float]], theirs: Callable[[], Awaitable[float]]
) -> Ratio:
    """Measure both in turn, one round not counted."""
    pairs: list[tuple[float, float]] = []
    for _ in range(ROUNDS + 1):
        gc.collect()
        pairs.append((await ours(), await theirs()))
    pairs = pairs[1:]
    ratios = [a / b for a, b in pairs]
    return Ratio(
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(ratios),
        min(ratios),
        max(ratios),
    )


def number(what: str, target: float, got: Ratio) -> Number:
    """One line."""
    return Number(what, f">= {target:g}", str(got), got.ratio >= target)


async def appends(callers: int, rows: int, frames: int, *, batched: bool = False) -> Ratio:
    """Our callers, each on its own session, against raw commits of `rows`."""
    with folder() as place:
        store = await store_with(place, callers)
        envelopes = [envelope(f"s{n}") for n in range(callers)]
        many = [[each] * 64 for each in envelopes]
        raw = Raw(Path(place))

        async def ours() -> float:
            if batched:
                add = lambda n: store.add_frames(f"s{n}", many[n])  # noqa: E731
                return 64 * await throughput(add, callers, frames // 64)
            return await throughput(lambda n: store.add_frame(envelopes[n]), callers, frames)

        async def theirs() -> float:
            return raw.rate(rows, callers, max(1, frames // rows))

        got = await against(ours, theirs)
        await store.aclose()
        raw.connection.close()
        return got


async def against_executemany() -> Number:
    """The batch is the commit."""
    got = await appends(CALLERS, 64, 6_400)
    return number("add_frame, 64 callers / executemany of 64 a commit", 0.35, got)


async def batches_against_executemany() -> Number:
    """64 frames in one call, from 16 callers."""
    got = await appends(16, 1_024, 16_384, batched=True)
    return number("add_frames of 64, 16 callers / executemany of 1,024", 0.5, got)


async def alone_against_a_commit() -> Number:
    """What the way to the thread and back adds to one commit."""
    got = await appends(1, 1, 300)
    return number("add_frame, 1 caller / a bare commit", goal(0.45, 0.6), got)


@asynccontextmanager
async def aiosqlite_inserts(place: str) -> AsyncIterator[Operation]:
    """One commit an append, as one writes it without an owner."""
    path = Path(place) / "aio.db"
    open_file(str(path), Durability.DISK).close()
    connection = await aiosqlite.connect(path, isolation_level=None)
    await connection.execute("PRAGMA synchronous = FULL")
    await connection.execute(INDEX)
    seq = 0

    async def insert(caller: int) -> None:
        nonlocal seq
        seq += 1
        await connection.execute(INSERT, (1 + caller, seq, MESSAGE))

    yield insert
    await connection.close()


async def against_aiosqlite() -> Number:
    """64 callers on one commit against a commit each."""
    with folder() as place:
        store = await store_with(place, CALLERS)
        envelopes = [envelope(f"s{n}") for n in range(CALLERS)]
        async with aiosqlite_inserts(place) as insert:
            got = await against(
                lambda: throughput(lambda n: store.add_frame(envelopes[n]), CALLERS, 6_400),
                lambda: throughput(insert, CALLERS, 640),
            )
        await store.aclose()
        what = "add_frame, 64 callers / aiosqlite, a commit an append"
        return number(what, goal(7, 10), got)


async def limit_against_aiosqlite() -> Number:
    """A store that adds nothing to SQLite."""
    with folder() as place:
        raw = Raw(Path(place))

        async def by_hand() -> float:
            return raw.rate(CALLERS, CALLERS, 100)

        async with aiosqlite_inserts(place) as insert:
            got = await against(by_hand, lambda: throughput(insert, CALLERS, 640))
        raw.connection.close()
        return Number("the limit of that: executemany of 64 / aiosqlite", "", str(got), True)


async def file_size() -> Number:
    """64 sessions that grow side by side."""
    with folder() as place:
        store = await store_with(place, CALLERS)
        envelopes = [envelope(f"s{n}") for n in range(CALLERS)]
        await throughput(lambda n: store.add_frame(envelopes[n]), CALLERS, 64_000)
        held = (await store.statistics()).bytes or 0
        await store.aclose()
        size = (Path(place) / "store.db").stat().st_size
    return Number("file size over payload", "<= 1.25", f"{size / held:6.2f}", size / held <= 1.25)


async def large() -> list[Number]:
    """100,000 sessions, and one log of 1,000,000 frames."""
    with folder() as place:
        path = Path(place) / "large.db"
        many = [envelope("long")] * 5_000
        limits = StoreLimits(max_session_bytes=4 * 1024**3)
        async with SQLiteSessionStore(path, durability="os", limits=limits) as store:
            await store.create_session(Session.new(transport_type="stdio", id="long"))
            await throughput(
                lambda _: store.create_session(Session.new(transport_type="stdio")), 500, 100_000
            )
            for _ in range(100):
                await store.add_frames("long", many)
            half = await _middle(store, 250_000)
            for _ in range(100):
                await store.add_frames("long", many)
            whole = await _middle(store, 500_000)
        size = path.stat().st_size / (1_000_000 * len(MESSAGE))
        opened: list[float] = []
        for _ in range(5):
            store = SQLiteSessionStore(path)
            begun = time.perf_counter()
            await store.open()
            opened.append(1000 * (time.perf_counter() - begun))
            await store.aclose()
        return [
            Number(
                "read_frames of 1,000 from the middle of 1,000,000",
                "<= 30 ms",
                f"{whole:6.1f} ms ({half:.1f} ms in a log half as long)",
                whole <= 30,
            ),
            Number(
                "opening 100,000 sessions and 1,000,000 frames",
                "<= 50 ms",
                f"{median(opened):6.1f} ms ({min(opened):.1f} to {max(opened):.1f})",
                median(opened) <= 50,
            ),
            Number("file size over payload, large", "<= 1.25", f"{size:6.2f}", size <= 1.25),
        ]


async def _middle(store: SQLiteSessionStore, after: int) -> float:
    """Milliseconds to read 1,000 frames there; the median of eleven places."""
    took: list[float] = []
    for n in range(11):
        begun = time.perf_counter()
        frames = await store.read_frames("long", after=after + 3_000 * n, limit=1_000)
        took.append(1000 * (time.perf_counter() - begun))
        assert frames[0].seq == after + 3_000 * n + 1
    return median(took)


NUMBERS: tuple[Callable[[], Awaitable[Number]], ...] = (
    against_aiosqlite,
    limit_against_aiosqlite,
    against_executemany,
    batches_against_executemany,
    alone_against_a_commit,
    file_size,
)


async def measured(*, with_large: bool) -> list[Number]:
    """All numbers, printed as they come."""
    numbers: list[Number] = []
    for measure in NUMBERS:
        numbers.append(await measure())
        _show(numbers[-1])
    if with_large:
        for each in await large():
            numbers.append(each)
            _show(each)
    return numbers


def _show(number: Number) -> None:
    verdict = "reached" if number.reached else "MISSED"
    print(f"{number.what:54} {number.target:>8}  {verdict:8} {number.measured}", flush=True)


def main() -> int:
    """Measure; 0 when all are reached."""
    parser = options(__doc__, large="and a million frames")
    parser.add_argument("--folder", help="where the files are made")
    asked = parser.parse_args()
    tempfile.tempdir = asked.folder
    took = seconds_of_sync() * 1e6
    print(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, a sync of {took:.0f} us")
    numbers = uvloop.run(measured(with_large=asked.large))
    return 0 if all(number.reached for number in numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
