"""What is timed of one side: a fresh subject, opened, filled with sessions, and called by many.

Each measure takes the subject and how many calls, and returns operations a second. It opens the
subject and closes it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

from sessionkeeper.values.message import MessageEnvelope
from soleowner import Actor, Command, LoopRunner

from ..peers.log_peer import LogPeer
from ..store_subject import StoreSubject
from ..subject import Subject, Work
from .by_hand import begin_hand_off
from .rates import Operation, throughput

__all__ = [
    "CALLERS",
    "Measure",
    "adding",
    "adding_alone",
    "adding_batches",
    "adding_deep",
    "adding_to_one",
    "appending",
    "asking",
    "asking_pykka",
    "getting",
    "getting_plainly",
    "handing_off",
    "locked_lists",
    "putting",
    "set_and_get",
    "setting",
]

CALLERS = 64
BATCH = 64
FEW = 8
KEYS = [f"s{number}" for number in range(CALLERS)]
PAYLOAD = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)

Measure: TypeAlias = Callable[[Any, int], Awaitable[float]]


@asynccontextmanager
async def opened(subject: Subject, sessions: int = CALLERS) -> AsyncGenerator[None]:
    """Open a subject with some sessions; its memory and its files are gone afterwards."""
    try:
        await subject.open()
    except BaseException:
        with suppress(Exception):  # what is half open leaves nothing on a server either
            await _close(subject)
        raise
    try:
        for key in KEYS[:sessions]:
            await subject.create(key)
        gc.collect()
        yield
    finally:
        await _close(subject)


async def _close(subject: Subject) -> None:
    await subject.aclose()
    if subject.is_isolated:
        await subject.clear()


async def _timed(operation: Operation, callers: int, calls: int) -> float:
    """Operations a second, after a call of each caller that opens its connection."""
    await throughput(operation, callers, callers)
    return await throughput(operation, callers, calls)


async def _add(log: LogPeer[Any], calls: int, callers: int, sessions: int) -> float:
    """Messages a second that a log takes, all made before the clock starts."""
    async with opened(log, sessions):
        keys = [KEYS[number % sessions] for number in range(callers)]
        each = 1 + max(1, calls // callers)
        ready = [iter([log.message(key, PAYLOAD) for _ in range(each)]) for key in keys]
        gc.collect()
        return await _timed(lambda i: log.add(keys[i], next(ready[i])), callers, calls)


adding = partial(_add, callers=CALLERS, sessions=CALLERS)
"""64 callers, each on its own session."""
adding_alone = partial(_add, callers=1, sessions=1)
"""One caller."""
adding_to_one = partial(_add, callers=CALLERS, sessions=1)
"""64 callers, all on one session."""
adding_deep = partial(_add, callers=FEW, sessions=FEW)
"""Eight sessions only, which therefore get eight times as long."""


async def putting(saver: Any, calls: int) -> float:
    """Checkpoints a second that langgraph takes ready, which nobody has: its `aput` alone."""
    async with opened(saver):
        ready = [
            iter(
                [
                    saver.checkpoint(key, saver.message(key, PAYLOAD))
                    for _ in range(1 + max(1, calls // CALLERS))
                ]
            )
            for key in KEYS
        ]
        gc.collect()
        return await _timed(lambda i: saver.add_checkpoint(KEYS[i], next(ready[i])), CALLERS, calls)


async def appending(log: LogPeer[Any], calls: int) -> float:
    """Messages a second that a log takes, each made of its bytes meanwhile."""
    async with opened(log):
        return await _timed(lambda i: log.append(KEYS[i], PAYLOAD), CALLERS, calls)


async def getting(subject: Subject, calls: int) -> float:
    """Sessions a second read."""
    async with opened(subject):
        return await _timed(lambda i: subject.get(KEYS[i]), CALLERS, calls)


async def getting_plainly(subject: StoreSubject, calls: int) -> float:
    """The same by the store's own method, for a side that has nothing in between either."""
    async with opened(subject):
        get = subject.store.get_session
        return await _timed(lambda i: get(KEYS[i]), CALLERS, calls)


async def setting(subject: Subject, calls: int) -> float:
    """Sessions a second written with a state of 1 KB."""
    async with opened(subject):
        return await _timed(lambda i: subject.set(KEYS[i], PAYLOAD), CALLERS, calls)


async def set_and_get(subject: Subject, calls: int) -> float:
    """Pairs a second of one write and one read."""

    async def both(i: int) -> None:
        await subject.set(KEYS[i], PAYLOAD)
        await subject.get(KEYS[i])

    async with opened(subject):
        return await _timed(both, CALLERS, calls)


async def adding_batches(subject: StoreSubject, calls: int) -> float:
    """Messages a second in batches of 64, made before."""
    async with opened(subject):
        ready = [[subject.message(key, PAYLOAD)] * BATCH for key in KEYS]
        gc.collect()
        rate = await throughput(
            lambda i: subject.store.add_frames(KEYS[i], ready[i]), CALLERS, calls // BATCH
        )
        return rate * BATCH


async def locked_lists(_: object, calls: int) -> float:
    """Messages a second into a dict of lists behind one lock, one at a time."""
    lock = asyncio.Lock()
    lists: dict[str, list[MessageEnvelope]] = {key: [] for key in KEYS}
    ready = [MessageEnvelope.of(key, PAYLOAD, direction="client-to-server") for key in KEYS]

    async def add(i: int) -> None:
        async with lock:
            lists[KEYS[i]].append(ready[i])

    gc.collect()
    return await throughput(add, CALLERS, calls)


class Nothing(Command[None, None]):
    """The least a command can do."""

    __slots__ = ()

    def apply(self, state: None, /) -> None:
        """Do nothing."""


async def asking(_: object, calls: int) -> float:
    """Trivial commands a second through our owner."""
    nothing = Nothing()
    async with Actor(LoopRunner[None](None)) as actor:
        return await throughput(lambda _: actor.ask(nothing), CALLERS, calls)


async def handing_off(_: object, calls: int) -> float:
    """The same by the bare hand-off, which has no validation, bound or answer to a failure."""
    operation, task = begin_hand_off()
    try:
        return await throughput(operation, CALLERS, calls)
    finally:
        task.cancel()


async def asking_pykka(pykka: Any, calls: int) -> float:
    """The least message a second through an actor of Pykka that looks up a session."""
    async with opened(pykka):
        return await throughput(lambda i: pykka.ask(Work.GET, KEYS[i]), CALLERS, calls)
