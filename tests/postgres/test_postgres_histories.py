"""One order of all operations explains what the clients of one database saw."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from postgres_clients import Clients, judge, merge, recording
from postgres_proxy import PostgresProxy
from postgres_trials import COMMIT, through
from redis_operations import add_up, counted, session
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionlab import Operation, Outcome, SessionStoreModel, Verdict, check, read_history

from tests.support.worker_processes import WorkerProcesses

WORKERS = 3
STORES = 2
ROUNDS = 30
TRIES = 20


@pytest.fixture
def workers(postgres_url: str) -> Iterator[WorkerProcesses]:
    """Other processes on the test's schema."""
    script = Path(__file__).parent / "harness" / "postgres_worker.py"
    processes = WorkerProcesses(script)
    yield processes
    processes.close()


@pytest.mark.parametrize("count", [1, 3])
async def test_clients_of_some_stores_of_one_process(count: int, postgres_url: str) -> None:
    """Batches of callers, some of whom are cancelled, on one connection and on several."""
    stores = [recording(PostgresSessionStore(postgres_url, patience=60.0)) for _ in range(count)]
    for store in stores:
        await store.open()
    await Clients(*stores, count=9, rounds=30).run(count)
    async with PostgresSessionStore(postgres_url) as after:
        await add_up(after)
        for store in stores:
            await store.aclose()
        await add_up(after)  # also when the counters of those stores were added up
    operations = merge([store.history().operations for store in stores])
    judge(operations)
    done = Counter(each.name for each in operations if each.outcome is Outcome.OK)
    assert len(done) > 15, done


async def test_clients_of_three_processes_are_one_history(
    postgres_url: str, tmp_path: Path, workers: WorkerProcesses
) -> None:
    """Each process notes the machine's clock at call and return: together they are linearizable."""
    files = [tmp_path / f"history-{n}" for n in range(WORKERS)]
    for turn in range(TRIES):
        url = f"{postgres_url}_{turn}"
        await started(
            workers, [("record", url, file, f"{turn}-{file}", ROUNDS, STORES) for file in files]
        )
        operations = merge(
            read_history(f"{file}-{n}").operations for file in files for n in range(STORES)
        )
        assert len(operations) > WORKERS * STORES * ROUNDS
        judge(operations)
        async with PostgresSessionStore(url) as after:
            await add_up(after)
        if _turns(operations) > WORKERS:
            return
    pytest.fail("the processes never worked side by side")


async def test_changes_of_two_stores_need_not_show_in_the_order_of_their_revisions(
    postgres_url: str, postgres_proxy: PostgresProxy
) -> None:
    """Neither waits for the other, so the store does not promise it; there is one order of all."""
    slow = recording(PostgresSessionStore(through(postgres_proxy, postgres_url)))
    quick = recording(PostgresSessionStore(postgres_url))
    async with slow, quick:
        await slow.create_session(session("s0"))
        await quick.create_session(session("s1"))
        commit = postgres_proxy.stall_request(0, COMMIT)
        asked = asyncio.ensure_future(slow.modify_session("s0", counted))
        await commit.reached()
        later = await quick.modify_session("s1", counted)
        seen = await quick.list_sessions()
        commit.release()
        earlier = await asked
    assert [each.metadata for each in seen] == [{}, {"n": 1}]
    assert earlier.revision < later.revision
    operations = merge([store.history().operations for store in (slow, quick)])
    judge(operations)
    assert check(operations, SessionStoreModel(one_counter=True)).verdict is Verdict.ILLEGAL


@pytest.mark.parametrize("shared", [8 * 1024 * 1024, 500])
async def test_no_process_exceeds_a_limit_of_the_whole_store(
    shared: int, postgres_url: str, workers: WorkerProcesses
) -> None:
    """Exactly as many sessions and bytes as are allowed, whoever writes at the same time."""
    sessions, size = 40, 30_000
    async with PostgresSessionStore(postgres_url) as store:
        for n in range(3):
            await store.create_session(session(f"log-{n}"))
        said = await started(
            workers,
            [("fill_up", postgres_url, f"w{n}", sessions, size, shared) for n in range(WORKERS)],
        )
        lines = [line.split() for each in said for line in each]
        made = [line[1] for line in lines if line[0] == "made"]
        wrote = [int(line[1]) for line in lines if line[0] == "wrote"]
        now = await add_up(store)
        there = {each.id for each in await store.list_sessions()}
        assert there == {"log-0", "log-1", "log-2", *made}
        assert len(there) == len(made) + 3 == sessions
        assert size - max(wrote) < now.bytes == sum(wrote) <= size
        assert now.frames == len(wrote)
        own = [await store.for_principal(f"p{n}").count_sessions() for n in range(2)]
        assert sum(own) == len(made)


async def started(
    workers: WorkerProcesses, commands: Sequence[Sequence[object]]
) -> list[list[str]]:
    """Start workers, let them go at the same time, and wait for what each of them says."""
    processes = [workers.start(str(name), *rest) for name, *rest in commands]
    for process in processes:
        await asyncio.to_thread(workers.hear, process, "ready")
    for process in processes:
        workers.tell(process)

    def heard(process: object) -> list[str]:
        said: list[str] = []
        while True:
            said.append(workers.hear(process, "done", "made", "wrote"))  # type: ignore[arg-type]
            if said[-1] == "done":
                return said

    return await asyncio.gather(*(asyncio.to_thread(heard, each) for each in processes))


def _turns(operations: list[Operation]) -> int:
    """How often another process than before begins."""
    return sum(
        one.client // (1000 * STORES) != other.client // (1000 * STORES)
        for one, other in pairwise(operations)
    )
