"""Calls a second on a server here and in another checkout: `python perf/redis_callers.py OTHER`.

Two processes take turns, the order alternates. The ratio is the median, with the least and the
greatest. `--engine` names the server; what is measured are lines of `OPERATION:CALLERS:CALLS`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import uvloop
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session

__all__ = ["main"]

HERE = Path(__file__).resolve().parents[1]
SESSIONS = 1_000
MESSAGE = b'{"jsonrpc":"2.0","method":"note","params":["%s"]}' % (b"x" * 970)
LINES = ["add:64:6400", "one:64:3200", "half:64:6400", "add:1000:10000", "add:1:600"]


async def throughput(call: Callable[[int], Awaitable[object]], callers: int, total: int) -> float:
    """Calls a second of concurrent callers, each with one call after the other."""
    each = max(1, total // callers)

    async def caller(number: int) -> None:
        for _ in range(each):
            await call(number)

    gc.collect()
    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return each * callers / (time.perf_counter() - begun)


async def side(url: str) -> None:
    """Answer each line by a rate."""
    async with RedisSessionStore(url) as store:
        ids = [f"s{n}" for n in range(SESSIONS)]
        frames = [MessageEnvelope.of(each, MESSAGE, direction="client-to-server") for each in ids]
        for each in ids:
            await store.create_session(Session.new(transport_type="stdio", id=each))
        turns = 0

        def half(n: int) -> Awaitable[object]:
            nonlocal turns
            turns += 1
            return store.add_frame(frames[n]) if turns % 2 else store.get_session(ids[n])

        operations: dict[str, Callable[[int], Awaitable[object]]] = {
            "add": lambda n: store.add_frame(frames[n]),
            "one": lambda _: store.add_frame(frames[0]),
            "half": half,
            "get": lambda n: store.get_session(ids[n]),
            "touch": lambda n: store.touch_session(ids[n]),
        }
        print("ready", flush=True)
        for line in iter(sys.stdin.readline, ""):
            what, callers, total = line.strip().split(":")
            print(await throughput(operations[what], int(callers), int(total)), flush=True)


def answer(process: subprocess.Popen[str], line: str) -> float:
    """Ask one side."""
    to, back = process.stdin, process.stdout
    assert to is not None
    assert back is not None
    print(line, file=to, flush=True)
    return float(back.readline())


def main() -> None:
    """Measure and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("lines", nargs="*", default=LINES)
    parser.add_argument("--engine", default="redis")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    from own_server import own_server

    with ExitStack() as stack:
        server = stack.enter_context(own_server(asked.engine))
        sides: list[subprocess.Popen[str]] = []
        for number, checkout in enumerate((asked.other.resolve(), HERE)):
            paths = os.pathsep.join(str(checkout / part) for part in ("store", "actors"))
            command = [sys.executable, __file__, "--side", f"{server.url[:-1]}{number}"]
            environment = {**os.environ, "PYTHONPATH": paths}
            pipe = subprocess.PIPE
            process = stack.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
            )
            assert process.stdout is not None
            process.stdout.readline()
            sides.append(process)
        for line in asked.lines:
            rates: list[list[float]] = []
            for turn in range(asked.rounds + 1):
                order = (0, 1) if turn % 2 else (1, 0)
                found = {number: answer(sides[number], line) for number in order}
                rates.append([found[0], found[1]])
            ratios = sorted(here / there for there, here in rates[1:])
            there, here = (median(each[n] for each in rates[1:]) for n in (0, 1))
            print(
                f"{line:18} {there:9,.0f}/s {here:9,.0f}/s {median(ratios):6.2f}"
                f"  ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )
        for process in sides:
            assert process.stdin is not None
            process.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        uvloop.run(side(sys.argv[2]))
    else:
        main()
