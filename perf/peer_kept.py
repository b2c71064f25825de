"""What is really stored after a race: `python perf/peers.py --kept`.

64 tasks on one session, ten messages each, then ten changes each with one await in between.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sessionlab.bench.peers import PeerNotInstalled, PeerStorage, find_peer, peer_names
from sessionlab.bench.subject import Subject, Work
from sessionlab.bench.targets import make_subject, parse_target

__all__ = ["print_kept"]

TASKS, EACH = 64, 10
ASKED = TASKS * EACH
KEY = "raced"
PAYLOAD = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)


async def race(operation: Callable[[], Coroutine[Any, Any, None]]) -> tuple[int, float]:
    """Race 64 tasks; how many calls raised, and how many there were a second."""
    errors = 0

    async def task() -> None:
        nonlocal errors
        for _ in range(EACH):
            try:
                await operation()
            except Exception:
                errors += 1

    begun = time.perf_counter()
    await asyncio.gather(*(task() for _ in range(TASKS)))
    return errors, ASKED / (time.perf_counter() - begun)


async def kept_by(name: str, subject: Subject) -> list[str]:
    """Race on a subject and ask it what it holds; the cells of its line."""
    await subject.open()
    try:
        if Work.CREATE in subject.offers:
            await subject.create(KEY)
        cells = [name]
        if Work.APPEND in subject.offers:
            errors, rate = await race(lambda: subject.append(KEY, PAYLOAD))
            stored = (await subject.count_stored(KEY)).appended
            cells += [
                f"{stored}",
                f"{errors}",
                f"{ASKED - errors - stored}",
                f"{rate:,.0f}/s",
            ]
        else:
            cells += ["-"] * 4
        if Work.MODIFY in subject.offers:
            errors, rate = await race(lambda: subject.modify(KEY))
            stored = (await subject.count_stored(KEY)).counter
            cells += [
                f"{stored}",
                f"{errors}",
                f"{ASKED - errors - stored}",
                f"{rate:,.0f}/s",
            ]
        else:
            cells += ["-"] * 4
        return cells
    finally:
        await subject.aclose()


async def print_kept(redis_url: str | None, postgres_url: str | None) -> None:
    """Race on our stores and on every peer, and print a line of each."""
    print(f"{TASKS} tasks on one session, {EACH} calls each: {ASKED} messages, {ASKED} changes")
    head = ("", "messages", "errors", "lost", "speed", "changes", "errors", "lost", "speed")
    line = "{:22} {:>9} {:>7} {:>5} {:>11}  {:>8} {:>7} {:>5} {:>11}"
    print(line.format(*head))
    with tempfile.TemporaryDirectory(prefix="peers-") as place:
        for name in ("memory", "sqlite"):
            ours = make_subject(parse_target(name), Path(place))
            print(line.format(*await kept_by(name, ours)), flush=True)
        for name in peer_names():
            peer = find_peer(name)
            if peer.place is PeerStorage.REDIS and redis_url is None:
                print(f"{name:22} needs --redis URL")
                continue
            if peer.place is PeerStorage.POSTGRES and postgres_url is None:
                print(f"{name:22} needs --postgres URL")
                continue
            try:
                made = peer.make(
                    path=Path(place) / name, redis_url=redis_url, postgres_url=postgres_url
                )
            except PeerNotInstalled as error:
                print(f"{name:22} {error}")
                continue
            print(line.format(*await kept_by(name, made)), flush=True)
