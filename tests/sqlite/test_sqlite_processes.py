"""Several processes on one file: every promise of the contract holds among them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    Frame,
    SessionNotFound,
    SQLiteSessionStore,
)
from sessionkeeper.backends.sqlite.change_poller import ChangePoller

from tests.support.sessions import new_session, note
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses


async def test_racing_processes_lose_nothing(file: Path, other_processes: WorkerProcesses) -> None:
    """One creator, no update lost, numbers without a gap, no limit passed by anyone."""
    names, rounds, tasks = "xyz", 15, 4
    workers = [other_processes.start("race", name, rounds) for name in names]
    firsts = [other_processes.hear(worker, "created", "found") for worker in workers]
    assert sorted(firsts) == ["created", "found", "found"]
    for worker in workers:
        other_processes.hear(worker, "ready")
    for worker in workers:
        other_processes.tell(worker)
    said = [line for worker in workers for line in worker.communicate()[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * 3

    async with SQLiteSessionStore(file) as store:
        session = await store.get_session("a")
        assert session.metadata["count"] == len(names) * tasks * rounds
        given = dict(line.split()[1:3] for line in said if line.startswith("seq"))
        frames = await store.read_frames("a")
        assert [frame.seq for frame in frames] == [*range(1, len(given) + 1)]
        assert len(given) == len(names) * tasks * rounds
        for frame in frames:
            assert given[str(frame.seq)].encode() in frame.envelope.message
        made = Counter(line.split()[1] for line in said if line.startswith("made"))
        assert set(made.values()) == {1}
        assert len(made) == 39
        sessions = await store.list_sessions()
        assert {session.id for session in sessions} == {"a", *made}
        assert len({session.revision for session in sessions}) == 40
        held = await store.statistics()
        assert (await store.count_sessions(), held.frames) == (40, len(given))
        assert held.counters.created == 40
        assert await store.check() == []


async def test_a_snapshot_of_another_process_can_be_stale(file: Path) -> None:
    """Two stores on one file are two processes to each other: nothing is kept between batches."""
    async with SQLiteSessionStore(file) as one, SQLiteSessionStore(file) as other:
        created = await one.create_session(new_session())
        assert await other.get_session("a") == created
        changed = await other.modify_session("a", lambda s: s.model_copy(update={"tags": {"x"}}))
        with pytest.raises(Exception, match="revision"):
            await one.update_session(created)
        assert await one.get_session("a") == changed
        assert [await store.add_frame(note(n)) for n, store in enumerate([one, other, one])] == [
            1,
            2,
            3,
        ]
        await one.delete_session("a")
        with pytest.raises(SessionNotFound):
            await other.add_frame(note())
        assert await other.count_sessions() == await one.count_sessions() == 0
        again = await other.create_session(new_session())
        assert again.revision > changed.revision


async def test_changes_of_another_process_wake_watchers(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """Each frame once and in order, soon after its commit; the end of the session as well."""
    worker = other_processes.start("write", 3)
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        other_processes.hear(worker, "ready")
        seen: list[int] = []

        async def watch() -> None:
            async for frame in store.watch_frames("a"):
                seen.append(frame.seq)

        watching = asyncio.create_task(watch())
        for n in range(1, 11):
            other_processes.tell(worker)
            await asyncio.to_thread(other_processes.hear, worker, "done")
            async with asyncio.timeout(300):
                while len(seen) < 3 * n:
                    await asyncio.sleep(0.001)
        assert seen == [*range(1, 31)]
        assert ChangePoller.PAUSE < 0.1  # so soon it is seen, if the machine has time
        other_processes.tell(worker, "end")
        async with asyncio.timeout(300):
            await watching


async def test_changes_of_others_are_not_missed_because_of_an_own_batch(file: Path) -> None:
    """It yields what others wrote before it began, not only one's own writes."""
    async with SQLiteSessionStore(file) as store, SQLiteSessionStore(file) as other:
        await store.create_session(new_session())
        await store.create_session(new_session("b"))
        for n in range(1, 6):
            watching = asyncio.ensure_future(anext(store.watch_frames("a", after=n - 1)))
            while not store._wakeups:
                await asyncio.sleep(0)
            await store.count_sessions()  # so the watcher's own look is over
            await other.add_frame(note(n))
            await store.add_frame(note(n, "b"))
            async with asyncio.timeout(300):
                assert (await watching).seq == n


async def test_a_deletion_by_another_process_ends_a_watch(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """Though a session that is gone has no place in any order."""
    worker = other_processes.start("write", 1)
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        other_processes.hear(worker, "ready")

        async def watch() -> list[Frame]:
            return [frame async for frame in store.watch_frames("a")]

        watching = asyncio.create_task(watch())
        while not store._wakeups:
            await asyncio.sleep(0)
        await store.count_sessions()  # so the watcher's own first look is over
        other_processes.tell(worker, "delete")
        async with asyncio.timeout(300):
            assert await watching == []


async def test_the_file_is_not_polled_while_nobody_watches(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle store is idle; one that is watched polls whether others wrote."""
    polls: list[bool] = []
    poll = ChangePoller.poll

    def counted(poller: ChangePoller) -> None:
        polls.append(True)
        poll(poller)

    monkeypatch.setattr(ChangePoller, "poll", counted)
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.get_session("a")
        await asyncio.sleep(3 * ChangePoller.PAUSE)
        assert not polls
        waiting = asyncio.ensure_future(anext(store.watch_frames("a")))
        for _ in until("looked twice"):
            if len(polls) > 1:
                break
            await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        seen = len(polls)
        await asyncio.sleep(3 * ChangePoller.PAUSE)
        assert len(polls) <= seen + 1


@pytest.mark.parametrize("cycles", [3, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("durability", ["disk", "os"])
def test_a_killed_writer_loses_nothing_acknowledged(
    file: Path, other_processes: WorkerProcesses, durability: str, cycles: int
) -> None:
    """kill −9 again and again: every acknowledged write is there, no batch torn, the file opens."""
    said: list[str] = []
    for cycle in range(cycles):
        worker = other_processes.start("append", durability)
        other_processes.hear(worker, "ready")
        assert worker.stdout is not None
        for _ in range(10 + 7 * cycle):
            said.append(worker.stdout.readline())
        worker.kill()
        said += worker.communicate()[0].splitlines()

    async def look() -> None:
        async with SQLiteSessionStore(file) as store:
            frames = await store.read_frames("a", limit=1_000_000)
            kinds = [frame.envelope.message.split(b'["')[1][:7] for frame in frames]
            assert [frame.seq for frame in frames] == [*range(1, len(frames) + 1)]
            whole = [line.split() for line in said if re.fullmatch(r"(seq|batch) \d+\n?", line)]
            assert len(whole) > 10 * cycles
            for kind, number in whole[:-1]:  # the last line of a cycle may be cut short
                seq = int(number)
                if kind == "seq":
                    assert kinds[seq - 1] == b'single"'
                else:
                    assert kinds[seq - 1 : seq + 2] == [b"batch-0", b"batch-1", b"batch-2"]
            torn = [seq for seq, kind in enumerate(kinds) if kind == b"batch-0"]
            for seq in torn:
                assert kinds[seq : seq + 3] == [b"batch-0", b"batch-1", b"batch-2"]
            assert await store.check() == []

    asyncio.run(look())


def test_an_interpreter_with_an_open_store_exits(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """Everything acknowledged is there."""
    worker = other_processes.start("leave")
    other_processes.hear(worker, "seq 1")
    assert worker.wait(1800) == 0

    async def look() -> None:
        async with SQLiteSessionStore(file) as store:
            assert await store.count_frames("a") == 1

    asyncio.run(look())
