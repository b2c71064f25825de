"""The project's stores in many orders: whatever runs first, every operation is atomic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LockedSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionExists,
    SessionNotFound,
)
from sessionkeeper.operations.tables import Tables
from sessionlab.explore import may_cancel
from sessionlab.explore.pytest_plugin import Explorer
from soleowner import Command

R = TypeVar("R")
Make = Callable[[], AtomicSessionStore]


class SlowStore(PlainSessionStore):
    """A store that waits before and after each operation, as one over a network does."""

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        await asyncio.sleep(0)
        reply = await super()._run_command(command)
        await asyncio.sleep(0)
        return reply


FULL: dict[str, Make] = {
    "actor": ActorSessionStore,
    "actor, one place": lambda: ActorSessionStore(capacity=1),
    "actor, two places": lambda: ActorSessionStore(capacity=2),
    "locked": LockedSessionStore,
    "plain": PlainSessionStore,
}
ALL: dict[str, Make] = {**FULL, "owned": lambda: OwnedSessionStore(SlowStore())}

every = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
full = pytest.mark.parametrize("make", FULL.values(), ids=FULL)

pytestmark = pytest.mark.timeout(1800)  # with `--explore-seeds 100000`


def session(name: str = "a") -> Session:
    """A session to be created."""
    return Session.new(transport_type="stdio", id=name)


def note(number: int, name: str = "a") -> MessageEnvelope:
    """A numbered notification."""
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % number
    return MessageEnvelope.of(name, message, direction="client-to-server")


def numbers(envelopes: list[MessageEnvelope]) -> list[int]:
    """The numbers of notifications."""
    return [int(each.message.split(b"[")[1][:-2]) for each in envelopes]


def add_one(session: Session) -> Session:
    """A read, modify, write."""
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)
    return session.model_copy(update={"metadata": {"n": n + 1}})


@every
def test_no_change_is_lost(make: Make, explorer: Explorer) -> None:
    """`modify_session` is one step, in every order of five clients."""

    async def scenario() -> None:
        async with make() as store:
            await store.create_session(session())

            async def client() -> None:
                await store.modify_session("a", add_one)
                await store.modify_session("a", add_one)

            await asyncio.gather(*(client() for _ in range(5)))
            assert (await store.get_session("a")).metadata == {"n": 10}

    explorer(scenario, strict=True)


@every
def test_exactly_one_of_many_creators_succeeds(make: Make, explorer: Explorer) -> None:
    """`get_or_create_session` and `create_session` racing: one creator, one session."""

    async def scenario() -> None:
        async with make() as store:
            made: list[Session] = []

            async def gets() -> None:
                found, created = await store.get_or_create_session(session())
                assert found.id == "a"
                if created:
                    made.append(found)

            async def creates() -> None:
                try:
                    made.append(await store.create_session(session()))
                except SessionExists:
                    await store.get_session("a")

            await asyncio.gather(gets(), creates(), gets(), creates())
            assert len(made) == await store.count_sessions() == 1

    explorer(scenario, strict=True)


@every
def test_one_stale_writer_of_many_wins(make: Make, explorer: Explorer) -> None:
    """`update_session` looks at the revision and writes in one step."""

    async def scenario() -> None:
        async with make() as store:
            seen = await store.create_session(session())
            won: list[str] = []

            async def write(name: str) -> None:
                try:
                    await store.update_session(seen.model_copy(update={"tags": {name}}))
                except RevisionConflict:
                    return
                won.append(name)

            await asyncio.gather(*map(write, "wxyz"))
            assert (await store.get_session("a")).tags == set(won)
            assert len(won) == 1

    explorer(scenario, strict=True)


@full
def test_batches_are_whole_and_numbers_have_no_gap(make: Make, explorer: Explorer) -> None:
    """`add_frames` and its change are one step, whoever is cancelled meanwhile."""

    async def scenario() -> None:
        async with make() as store:
            await store.create_session(session())
            given: dict[int, range] = {}

            async def client(who: int) -> None:
                batch = [note(who * 10 + n) for n in range(3)]
                given[who] = await store.add_frames("a", batch, change=add_one)
                seq = await store.add_frame(note(who * 10 + 3))
                assert seq > given[who][-1]

            clients = [
                may_cancel(asyncio.create_task(client(who), name=f"client-{who}"))
                for who in range(4)
            ]
            await asyncio.wait(clients)
            for each in clients:
                assert each.cancelled() or each.exception() is None
            frames = await store.read_frames("a")
            assert [frame.seq for frame in frames] == [*range(1, len(frames) + 1)]
            log = numbers([frame.envelope for frame in frames])
            for who in range(4):
                mine = [number for number in log if number // 10 == who]
                assert mine in ([who * 10 + n for n in range(m)] for m in (0, 3, 4))
                if mine:
                    start = log.index(mine[0])
                    assert log[start : start + 3] == mine[:3]
                if who in given:
                    assert given[who] == range(start + 1, start + 4)
            now = await store.get_session("a")
            assert now.metadata.get("n", 0) == sum(number % 10 == 0 for number in log)
            assert now.frame_count == now.last_seq == len(log)

    done = explorer(scenario, cancellations=2, strict=True)
    assert done.cancelled


@every
def test_deleting_and_creating_again_mixes_nothing(make: Make, explorer: Explorer) -> None:
    """A session is all there or not at all, and nothing of it comes back with the next one."""

    async def scenario() -> None:
        async with make() as store:
            old = await store.create_session(session())

            async def replace() -> None:
                await store.delete_session("a")
                fresh = await store.create_session(session())
                assert (fresh.last_seq, fresh.frame_count) == (0, 0)
                assert fresh.revision > old.revision

            async def append() -> None:
                for number in range(2):
                    try:
                        await store.add_frame(note(number))
                    except SessionNotFound:
                        assert await store.count_sessions() <= 1

            async def overwrite() -> None:
                try:
                    kept = await store.update_session(old)
                except (RevisionConflict, SessionNotFound):
                    return
                assert kept.created_at == old.created_at

            await asyncio.gather(replace(), append(), append(), overwrite())
            now = await store.get_session("a")
            assert now.revision > old.revision
            assert now.frame_count == len(await store.get_frames("a")) == now.last_seq

    explorer(scenario, strict=True)


@full
def test_a_watcher_misses_nothing_and_sees_nothing_twice(make: Make, explorer: Explorer) -> None:
    """Writers and a reader in any order; leaving leaves nothing behind."""

    async def scenario() -> None:
        async with make() as store:
            await store.create_session(session())

            async def read(out: list[int]) -> None:
                async for frame in store.watch_frames("a"):
                    out.append(frame.seq)

            async def write() -> None:
                for number in range(3):
                    await store.add_frame(note(number))

            seen: tuple[list[int], ...] = ([], [], [])
            readers = [
                asyncio.create_task(read(out), name=f"reader-{n}") for n, out in enumerate(seen)
            ]
            left = may_cancel(readers.pop())
            await asyncio.gather(write(), write())
            ended = {"state": "closed"}
            await store.modify_session("a", lambda now: now.model_copy(update=ended))
            await asyncio.gather(*readers)
            await asyncio.wait([left])
            assert seen[0] == seen[1] == [1, 2, 3, 4, 5, 6]
            assert seen[2] == seen[0][: len(seen[2])]

    explorer(scenario, cancellations=1, strict=True)


@pytest.mark.parametrize("capacity", [1, 1024])
def test_closing_answers_every_caller(capacity: int, explorer: Explorer) -> None:
    """Whoever asks while it closes is served or told, in every order; nobody waits for ever."""

    async def scenario() -> None:
        store = await ActorSessionStore(capacity=capacity).open()
        await store.create_session(session())

        async def client() -> str:
            try:
                await store.add_frame(note(1))
            except Exception as error:
                return type(error).__name__
            return "served"

        clients = [asyncio.create_task(client(), name=f"client-{n}") for n in range(4)]
        closing = [asyncio.create_task(store.aclose(timeout=wait)) for wait in (None, 0)]
        answers = await asyncio.gather(*clients)
        await asyncio.gather(*closing)
        assert set(answers) <= {"served", "StoreClosed"}

    explorer(scenario, strict=True)
