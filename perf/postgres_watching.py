"""How soon a watcher in another process sees a frame: `python perf/postgres_watching.py`.

On a server of its own with fsync. Two processes: the other one appends, this one watches; both read
the machine's clock. From the call of `add_frame` until the watcher has the frame, and from the
acknowledgement, which the other process gets at the same time. Rounds; each line is the median of
the rounds' medians with the least and the most of them, and the 99th percentile of all frames.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from random import Random
from statistics import median, quantiles

import uvloop
from own_server import own_postgres
from sessionkeeper import MessageEnvelope, PostgresSessionStore, Session

TARGET_MS = 5.0
ROUNDS = 7
FRAMES = 300
SIZE = 1_024


def key(number: int) -> str:
    """A session's id."""
    return f"watched-{number}"


def envelope(number: int) -> MessageEnvelope:
    """1 KB of JSON that says when it was sent."""
    head = f'{{"jsonrpc":"2.0","method":"n","params":[{time.monotonic_ns()},"'
    message = head.encode().ljust(SIZE - 3, b".") + b'"]}'
    return MessageEnvelope.of(key(number), message, direction="client-to-server")


class Watchers:
    """One watcher a session; they note when each frame came."""

    def __init__(self, store: PostgresSessionStore, sessions: int) -> None:
        self._came: asyncio.Queue[tuple[int, int, int, int]] = asyncio.Queue()
        self._tasks = [
            asyncio.ensure_future(self._watch(store, number)) for number in range(sessions)
        ]

    async def next(self, count: int) -> dict[tuple[int, int], tuple[int, int]]:
        """By session and number: when so many frames were sent, and when they came."""
        found = [await asyncio.wait_for(self._came.get(), 60) for _ in range(count)]
        return {(number, seq): (sent, came) for number, seq, sent, came in found}

    async def aclose(self) -> None:
        """End them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _watch(self, store: PostgresSessionStore, number: int) -> None:
        async for frame in store.watch_frames(key(number)):
            came = time.monotonic_ns()
            sent = int(frame.envelope.message[:80].split(b"[")[1].split(b",")[0])
            self._came.put_nowait((number, frame.seq, sent, came))


async def latencies(url: str, sessions: int, callers: int, frames: int, rounds: int) -> bool:
    """Measure and print; whether the target is reached."""
    async with PostgresSessionStore(url) as store:
        for number in range(sessions):
            await store.create_session(Session.new(transport_type="stdio", id=key(number)))
        watchers = Watchers(store, sessions)
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--append", url, str(sessions), str(callers)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        assert other.stdin is not None
        assert other.stdout is not None
        since_call: list[list[float]] = []
        since_answer: list[list[float]] = []
        for _ in range(rounds + 1):
            other.stdin.write(f"{frames}\n".encode())
            came = await watchers.next(frames)
            answered = {
                (number, seq): at for number, seq, at in json.loads(await other.stdout.readline())
            }
            since_call.append([(at - sent) / 1e6 for sent, at in came.values()])
            since_answer.append([(at - answered[each]) / 1e6 for each, (_, at) in came.items()])
        other.stdin.close()
        await other.wait()
        await watchers.aclose()
        for number in range(sessions):
            await store.delete_session(key(number))
    print(f"{sessions} sessions watched, {callers} callers, {rounds} x {frames} frames")
    show("  from its answer in the other process", since_answer[1:])
    return show("  from the call of add_frame", since_call[1:])


def show(what: str, rounds: Sequence[Sequence[float]]) -> bool:
    """Print a line; whether the median is at most the target."""
    medians = [median(each) for each in rounds]
    p99 = quantiles([one for each in rounds for one in each], n=100)[98]
    print(
        f"{what:42} median {median(medians):6.2f} ms ({min(medians):.2f} to {max(medians):.2f}),"
        f" p99 {p99:6.2f} ms",
        flush=True,
    )
    return median(medians) <= TARGET_MS


async def append(url: str, sessions: int, callers: int) -> None:
    """Append so many frames as a line says, and say when each was acknowledged."""
    dice = Random(7)
    async with PostgresSessionStore(url) as store:

        async def one(answers: list[tuple[int, int, int]], count: int) -> None:
            for _ in range(count):
                number = dice.randrange(sessions)
                seq = await store.add_frame(envelope(number))
                answers.append((number, seq, time.monotonic_ns()))
                await asyncio.sleep(dice.uniform(0, 0.004))

        while line := await asyncio.to_thread(sys.stdin.readline):
            answers: list[tuple[int, int, int]] = []
            count = int(line) // callers
            await asyncio.gather(*(one(answers, count) for _ in range(callers)))
            print(json.dumps(answers), flush=True)


async def measure(url: str, *, quick: bool) -> bool:
    """All lines; whether the first reaches its target."""
    rounds, frames = (2, 128) if quick else (ROUNDS, FRAMES)
    reached = await latencies(url, 1, 1, frames, rounds)
    await latencies(url, 1_000, 1, frames, rounds)
    await latencies(url, 64, 64, 64 * 20, rounds)
    return reached


def main() -> int:
    """Measure; 0 when the target is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames")
    parser.add_argument("--append", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.append:
        url, sessions, callers = told.append
        uvloop.run(append(url, int(sessions), int(callers)))
        return 0
    with own_postgres() as server:
        print(f"PostgreSQL {server.version}, {os.cpu_count()} cores")
        reached = uvloop.run(measure(server.url, quick=told.quick))
    verdict = "reached" if reached else "MISSED"
    print(f"a watcher in another process, median from the call <= {TARGET_MS:g} ms: {verdict}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
