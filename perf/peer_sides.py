"""What is timed on either side, for `perf/peers.py`: fresh, opened, and as 64 callers."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from harness import throughput
from peer_ours import OursInMemory
from sessionkeeper import MessageEnvelope
from sessionlab.bench.peers import LogPeer, find_peer
from sessionlab.bench.peers.langgraph import LanggraphSaver
from sessionlab.bench.peers.pykka import PykkaActor
from sessionlab.bench.subject import Subject, Work
from soleowner import Actor, Command, LoopRunner

__all__ = [
    "adding",
    "appending",
    "ask",
    "batches",
    "deepening",
    "getting",
    "locked_lists",
    "putting",
    "pykka_ask",
    "set_and_get",
    "setting",
]

CALLERS = 64
TOTAL = 12_800
BATCH = 64
KEYS = [f"s{number}" for number in range(CALLERS)]
PAYLOAD = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)


async def opened(subject: Subject) -> Subject:
    """Open a subject with a session for each caller."""
    await subject.open()
    for key in KEYS:
        await subject.create(key)
    return subject


async def adding(log: LogPeer[Any]) -> float:
    """Messages a second that a fresh log takes, all made before the clock starts."""
    await opened(log)
    each = TOTAL // CALLERS
    ready = [iter([log.message(key, PAYLOAD) for _ in range(each)]) for key in KEYS]
    gc.collect()
    rate = await throughput(lambda i: log.add(KEYS[i], next(ready[i])), CALLERS, TOTAL)
    await log.aclose()
    return rate


async def deepening(log: LogPeer[Any]) -> float:
    """The same into eight sessions only, which therefore get eight times as long."""
    await opened(log)
    few = KEYS[: CALLERS // 8]
    ready = [iter([log.message(key, PAYLOAD) for _ in range(TOTAL // len(few))]) for key in few]
    gc.collect()
    rate = await throughput(lambda i: log.add(few[i], next(ready[i])), len(few), TOTAL)
    await log.aclose()
    return rate


async def putting(saver: LanggraphSaver) -> float:
    """Checkpoints a second that langgraph takes ready, which nobody has: its `aput` alone."""
    await opened(saver)
    each = TOTAL // CALLERS
    ready = [
        iter([saver.checkpoint(key, saver.message(key, PAYLOAD)) for _ in range(each)])
        for key in KEYS
    ]
    gc.collect()
    rate = await throughput(lambda i: saver.add_checkpoint(KEYS[i], next(ready[i])), CALLERS, TOTAL)
    await saver.aclose()
    return rate


async def appending(log: LogPeer[Any]) -> float:
    """Messages a second that a fresh log takes, each made of its bytes meanwhile."""
    await opened(log)
    gc.collect()
    rate = await throughput(lambda i: log.append(KEYS[i], PAYLOAD), CALLERS, TOTAL)
    await log.aclose()
    return rate


async def getting(subject: Subject) -> float:
    """Sessions a second read."""
    await opened(subject)
    gc.collect()
    rate = await throughput(lambda i: subject.get(KEYS[i]), CALLERS, TOTAL)
    await subject.aclose()
    return rate


async def setting(subject: Subject) -> float:
    """Sessions a second written with a state of 1 KB."""
    await opened(subject)
    gc.collect()
    rate = await throughput(lambda i: subject.set(KEYS[i], PAYLOAD), CALLERS, TOTAL)
    await subject.aclose()
    return rate


async def set_and_get(subject: Subject) -> float:
    """Pairs a second of one write and one read."""
    await opened(subject)

    async def both(i: int) -> None:
        await subject.set(KEYS[i], PAYLOAD)
        await subject.get(KEYS[i])

    gc.collect()
    rate = await throughput(both, CALLERS, TOTAL // 2)
    await subject.aclose()
    return rate


async def batches() -> float:
    """Frames a second in batches of 64, made before."""
    ours = OursInMemory()
    await opened(ours)
    ready = [[ours.message(key, PAYLOAD)] * BATCH for key in KEYS]
    gc.collect()
    rate = await throughput(
        lambda i: ours.store.add_frames(KEYS[i], ready[i]), CALLERS, TOTAL * 4 // BATCH
    )
    await ours.aclose()
    return rate * BATCH


async def locked_lists() -> float:
    """Messages a second into a dict of lists behind one lock, one at a time."""
    lock = asyncio.Lock()
    lists: dict[str, list[MessageEnvelope]] = {key: [] for key in KEYS}
    ready = [MessageEnvelope.of(key, PAYLOAD, direction="client-to-server") for key in KEYS]

    async def add(i: int) -> None:
        async with lock:
            lists[KEYS[i]].append(ready[i])

    gc.collect()
    return await throughput(add, CALLERS, TOTAL * 4)


class Nothing(Command[None, None]):
    """The least a command can do."""

    __slots__ = ()

    def apply(self, state: None, /) -> None:
        """Do nothing."""


async def ask() -> float:
    """Trivial commands a second through our owner."""
    nothing = Nothing()
    async with Actor(LoopRunner[None](None)) as actor:
        return await throughput(lambda _: actor.ask(nothing), CALLERS, TOTAL)


async def pykka_ask() -> float:
    """The least message a second through an actor of Pykka that looks up a session."""
    pykka = find_peer("pykka").make()
    assert isinstance(pykka, PykkaActor)
    await opened(pykka)
    rate = await throughput(lambda i: pykka.ask(Work.GET, KEYS[i]), CALLERS, TOTAL)
    await pykka.aclose()
    return rate
