"""Several processes on one server: what all append together, and how long an append takes.

Each is this module run as a program, which works whenever it is told to and says what it did.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median, quantiles

import uvloop
from harness import Number
from ratios import envelope
from sessionkeeper import RedisSessionStore, Session

__all__ = [
    "CALLERS",
    "Did",
    "Member",
    "four_processes",
    "one_hot_session",
    "team_of",
    "work_when_told",
]

CALLERS = 64
HOT, PREFIX = "hot", "worker_pool"
SECONDS = 1.0
ROUNDS = 5


class Appending:
    """Every caller appends to a session of its own."""

    def __init__(self, store: RedisSessionStore, name: str) -> None:
        self.tries = 0
        self._store = store
        self._ids = [f"{name}-{number}" for number in range(CALLERS)]
        self._envelopes = [envelope(each) for each in self._ids]

    async def prepare(self) -> None:
        """Make the sessions."""
        for each in self._ids:
            await self._store.create_session(Session.new(transport_type="stdio", id=each))

    async def once(self, caller: int) -> None:
        """Append."""
        self.tries += 1
        await self._store.add_frame(self._envelopes[caller])


class Counting:
    """Every caller of every process counts in the metadata of one session."""

    def __init__(self, store: RedisSessionStore, name: str) -> None:
        self.tries = 0
        self._store = store

    async def prepare(self) -> None:
        """Make the session, or find it."""
        hot = Session.new(transport_type="stdio", id=HOT, metadata={"count": 0})
        await self._store.get_or_create_session(hot)

    async def once(self, caller: int) -> None:
        """Count one more."""
        await self._store.modify_session(HOT, self._counted)

    def _counted(self, session: Session) -> Session:
        self.tries += 1
        return session.model_copy(update={"metadata": {"count": counted_by(session) + 1}})


def counted_by(session: Session) -> int:
    """What all have counted together."""
    count = session.metadata["count"]
    assert isinstance(count, int)
    return count


WORK: dict[str, type[Appending] | type[Counting]] = {"append": Appending, "count": Counting}


async def work(url: str, name: str, kind: str) -> None:
    """Do one kind of work by 64 callers."""
    async with RedisSessionStore(url, prefix=PREFIX) as store:
        task = WORK[kind](store, name)
        await task.prepare()
        await work_when_told(task.once, lambda: task.tries)


async def work_when_told(
    once: Callable[[int], Awaitable[object]], count_tries: Callable[[], int] = lambda: 0
) -> None:
    """Work by 64 callers for as many seconds as each line of standard input says."""
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        took: list[float] = []
        tried = count_tries()
        begun = time.perf_counter()
        until = begun + float(line)

        async def caller(number: int) -> None:
            now = time.perf_counter()
            while now < until:  # noqa: B023 - called before the next line is read
                await once(number)
                before, now = now, time.perf_counter()
                took.append(now - before)  # noqa: B023 - the same

        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
        seconds = time.perf_counter() - begun
        tries = (count_tries() - tried) / len(took)
        did = Did(len(took), seconds, quantiles(took, n=100)[98], tries)
        print(json.dumps(asdict(did)), flush=True)


@dataclass(frozen=True, slots=True)
class Did:
    """What one process did in one turn."""

    count: int
    seconds: float
    p99: float
    """Seconds within which 99 of 100 were done."""
    tries: float
    """How often a change ran for each that was taken."""

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.count / self.seconds


class Member:
    """One such process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, program: str, *words: str) -> AsyncIterator[Member]:
        """Start it and wait until it is ready; it ends with the block."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, program, *words), stdin=pipe, stdout=pipe
        )
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def turn(self) -> Did:
        """Let it work once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{SECONDS}\n".encode())
        return Did(**json.loads(await self._process.stdout.readline()))


@asynccontextmanager
async def team_of(
    url: str, size: int, kind: str, *, program: str = __file__
) -> AsyncIterator[list[Member]]:
    """So many processes, ready; each is told the URL, its name, and the kind of its work."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Member.started(program, url, f"m{number}", kind))
            for number in range(size)
        ]


async def four_processes(url: str) -> list[Number]:
    """Four that append beside one, in turn."""
    totals: list[float] = []
    tails: list[float] = []
    async with team_of(url, 4, "append") as worker_pool:
        for turn in range(ROUNDS + 1):
            alone = await worker_pool[turn % 4].turn()
            together = await asyncio.gather(*(each.turn() for each in worker_pool))
            totals.append(sum(each.rate for each in together) / alone.rate)
            tails.append(max(each.p99 for each in together) / alone.p99)
    totals, tails = totals[1:], tails[1:]
    return [
        Number(
            "add_frame, 4 processes of 64 callers / 1 process, total",
            ">= 1",
            _spread(totals),
            median(totals) >= 1,
        ),
        Number(
            "p99 of an append, the worst of 4 processes / 1 process",
            "<= 5",
            _spread(tails),
            median(tails) <= 5,
        ),
    ]


async def one_hot_session(url: str) -> list[Number]:
    """One session that 64 callers change, of one process and of two; nothing may be lost."""
    alone: list[Did] = []
    together: list[Did] = []
    rates: list[float] = []
    async with team_of(url, 2, "count") as worker_pool:
        for turn in range(ROUNDS):
            alone.append(await worker_pool[turn % 2].turn())
            both = await asyncio.gather(*(each.turn() for each in worker_pool))
            together += both
            rates.append(sum(each.rate for each in both))
    async with RedisSessionStore(url, prefix=PREFIX) as store:
        found = counted_by(await store.get_session(HOT))
    assert found == sum(each.count for each in (*alone, *together))
    return [
        Number(
            f"modify_session of one session, 64 callers of {processes}",
            "",
            f"{median(many):8,.0f}/s  ({min(many):,.0f} to {max(many):,.0f}; each change ran"
            f" {median(each.tries for each in did):.2f} times)",
            reached=True,
        )
        for processes, many, did in (
            ("1 process", [each.rate for each in alone], alone),
            ("each of 2 processes", rates, together),
        )
    ]


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    uvloop.run(work(*sys.argv[1:4]))
