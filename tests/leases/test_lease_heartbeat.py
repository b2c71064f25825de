"""Heartbeats, and the end of sessions whose recorders are gone, on real stores."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Lease,
    LimitExceeded,
    MessageEnvelope,
    Session,
    SessionManager,
    SessionState,
    SQLiteSessionStore,
    StoreLimits,
    StoreUnavailable,
    lease_of,
)
from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.leases import (
    Heartbeat,
    RecorderState,
    end_gone_sessions,
    end_if_gone,
    own_lease,
    recorder_state,
)
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.values.lease import TALLY_KEY, with_lease

from tests.support.sessions import FakeClock, new_session, note
from tests.support.stores import DESIGNS, FileStore, database_stores

FAILED = SessionState.FAILED
AT_ONCE = 0.0

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(params=["actor", "sqlite", "postgres"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[AtomicSessionStore]:
    """A store in memory, one in a file, and one in a database."""
    FileStore.folder = tmp_path
    with database_stores(request):
        async with DESIGNS[request.param]() as store:
            yield store


@pytest.fixture
def gone() -> Lease:
    """The lease of a process that has ended."""
    process = subprocess.run(
        [sys.executable, "-ISc", "import os; print(os.getpid())"], check=True, capture_output=True
    )
    return own_lease().model_copy(update={"pid": int(process.stdout), "started": 1})


def recorded(lease: Lease, id: str = "a", **fields: object) -> Session:
    """A new session with a lease."""
    return with_lease(new_session(id, **fields), lease)


async def until_renewed(store: AtomicSessionStore, seen: datetime) -> Lease:
    """Wait until the lease says more than that moment."""
    while True:
        lease = lease_of(await store.get_session("a"))
        assert lease is not None
        if lease.seen > seen:
            return lease
        await asyncio.sleep(0)


async def test_heartbeats_renew_the_lease(store: AtomicSessionStore) -> None:
    """One after the other, until it is stopped; only the time of the sign changes."""
    early = own_lease().renewed(datetime(2020, 1, 1, tzinfo=UTC))
    await store.create_session(recorded(early))
    heartbeat = Heartbeat(store.modify_session, "a", early, interval=AT_ONCE)
    heartbeat.start()
    renewed = await until_renewed(store, early.seen)
    assert renewed.renewed(early.seen) == early
    await heartbeat.stop()
    stopped = await store.modify_session("a", lambda each: with_lease(each, early))
    await asyncio.sleep(0.01)
    assert await store.get_session("a") == stopped


@pytest.mark.parametrize("room", [10_000, 600])
async def test_a_heartbeat_brings_the_tally_where_there_is_room(room: int) -> None:
    """That is no activity, either; without room for both, the lease alone is renewed."""
    clock = FakeClock()
    early = own_lease().renewed(datetime(2020, 1, 1, tzinfo=UTC))
    limits = StoreLimits(max_metadata_bytes=room)

    def count(session: Session) -> Session:
        return session.model_copy(update={"metadata": {**session.metadata, TALLY_KEY: "x" * 600}})

    async with DESIGNS["actor"](clock=clock.as_clock(), limits=limits) as store:
        created = await store.create_session(recorded(early))
        clock.advance(8)
        heartbeat = Heartbeat(store.modify_session, "a", early, beside=count, interval=AT_ONCE)
        heartbeat.start()
        await until_renewed(store, early.seen)
        await heartbeat.stop()
        session = await store.get_session("a")
        assert (TALLY_KEY in session.metadata) == (room == 10_000)
        assert session.last_activity == created.last_activity


@pytest.mark.parametrize("design", ["actor", "plain", "locked", "sqlite"])
async def test_a_heartbeat_is_no_activity(design: str, tmp_path: Path) -> None:
    """An idle session expires although its recorder runs; everything else is activity."""
    FileStore.folder = tmp_path
    clock = FakeClock()
    lease = own_lease()
    async with DESIGNS[design](clock=clock.as_clock()) as store:
        created = await store.create_session(recorded(lease))
        await store.create_session(recorded(lease, "b"))
        clock.advance(8)
        later = lease.renewed(lease.seen + timedelta(seconds=8))
        beaten = await store.modify_session("a", lambda each: with_lease(each, later))
        assert lease_of(beaten) == later
        assert beaten.last_activity == created.last_activity
        assert beaten.revision > created.revision
        assert beaten == await store.get_session("a")
        await store.modify_session(
            "b", lambda each: with_lease(each, later).model_copy(update={"tags": {"x"}})
        )
        clock.advance(2)
        (ended,) = await store.expire_sessions(idle=10)
        assert (ended.id, ended.last_activity) == ("a", created.last_activity)


async def test_a_heartbeat_leaves_alone_what_is_not_its_own(store: AtomicSessionStore) -> None:
    """A session with another's lease, without one, or that has ended; then it stops."""
    own = own_lease()
    other = own.model_copy(update={"host": "another"})
    for name, session in {
        "other": recorded(other, "other"),
        "none": new_session("none"),
        "ended": recorded(own, "ended", state="closed"),
    }.items():
        before = await store.create_session(session)
        asked = asyncio.Event()

        async def modify(session_id: str, change: Change, asked: asyncio.Event = asked) -> Session:
            assert not asked.is_set()
            asked.set()
            return await store.modify_session(session_id, change)

        heartbeat = Heartbeat(modify, name, own, interval=AT_ONCE)
        heartbeat.start()
        await asked.wait()
        await asyncio.sleep(0.01)
        assert await store.get_session(name) == before
        await heartbeat.stop()


async def test_a_heartbeat_survives_a_store_that_is_away(store: AtomicSessionStore) -> None:
    """What is refused is tried again the next time."""
    early = own_lease().renewed(datetime(2020, 1, 1, tzinfo=UTC))
    await store.create_session(recorded(early))
    refused = iter([StoreUnavailable("away"), LimitExceeded("x", current=1, maximum=1), OSError()])

    async def modify(session_id: str, change: Change) -> Session:
        if (error := next(refused, None)) is not None:
            raise error
        return await store.modify_session(session_id, change)

    heartbeat = Heartbeat(modify, "a", early, interval=AT_ONCE)
    heartbeat.start()
    await until_renewed(store, early.seen)
    await heartbeat.stop()


@on_linux
async def test_a_session_whose_recorder_is_gone_ends_as_failed(
    store: AtomicSessionStore, gone: Lease
) -> None:
    """With the reason; those of recorders that run, and without a lease, stay as they are."""
    await store.create_session(recorded(gone, principal="p", metadata={"x": 1}, tags={"t"}))
    await store.add_frame(note())
    living = [
        await store.create_session(recorded(own_lease(), "running")),
        await store.create_session(new_session("without")),
        await store.create_session(recorded(gone, "ended", state="timed-out")),
    ]
    seen: list[int] = []
    assert await end_gone_sessions(store, on_seen=seen.append) == 1
    assert sum(seen) == 3
    ended = await store.get_session("a")
    assert ended.state is FAILED
    assert ended.failure == f"the recorder is gone: process {gone.pid} on {gone.host} has ended"
    assert ended.metadata == {"x": 1}
    assert (ended.principal, ended.frame_count) == ("p", 1)
    assert [await store.get_session(each.id) for each in living] == living
    assert await end_gone_sessions(store) == 0


@on_linux
async def test_recorders_that_open_at_once_end_each_session_once(
    store: AtomicSessionStore, gone: Lease
) -> None:
    """However many look: each end is one step, and one of them made it."""
    ids = [f"s{n}" for n in range(120)]
    for name in ids:
        await store.create_session(recorded(gone, name))
    before = (await store.statistics()).counters
    ended = await asyncio.gather(*(end_gone_sessions(store) for _ in range(4)))
    assert sum(ended) == len(ids)
    assert {each.state for each in await store.list_sessions()} == {FAILED}
    assert (await store.statistics()).counters.ended[FAILED] - before.ended[FAILED] == len(ids)


@on_linux
@pytest.mark.parametrize("sign", ["a heartbeat", "a frame", "a change", "a deletion"])
async def test_a_recorder_that_comes_back_is_not_overwritten(
    store: AtomicSessionStore, gone: Lease, sign: str
) -> None:
    """Whatever happens to the session between the look and the end leaves it alone."""
    looked_at = await store.create_session(recorded(gone))
    assert recorder_state(looked_at) is RecorderState.GONE
    if sign == "a heartbeat":
        await store.modify_session("a", lambda each: with_lease(each, own_lease()))
    elif sign == "a frame":
        await store.add_frame(note())
    elif sign == "a change":
        change = {"state": SessionState.ACTIVE}
        await store.modify_session("a", lambda each: each.model_copy(update=change))
    else:
        await store.delete_session("a")
    assert not await end_if_gone(store, looked_at)
    assert [each.state for each in await store.list_sessions()].count(FAILED) == 0


async def test_a_recorder_holds_a_lease_until_the_end() -> None:
    """The session it leaves has none: what was in its metadata is there as it was given."""
    async with SessionManager() as manager:
        for end in (SessionRecorder.complete, lambda each: each.fail("why")):
            recorder = await SessionRecorder.open(manager, ["server"], metadata={"x": 1})
            session = await manager.get_session(recorder.session_id)
            lease = lease_of(session)
            assert lease is not None
            assert lease.renewed(own_lease().seen) == own_lease()
            assert recorder_state(session) is RecorderState.RUNNING
            await end(recorder)
            ended = await manager.get_session(session.id)
            assert ended.metadata == {
                "x": 1,
                "sessionkeeper.server": {"command": ["server"]},
                "sessionkeeper.calls": {"calls": 0, "errors": 0, "last_seq": 0},
            }


async def test_metadata_without_room_for_a_lease_are_more_important() -> None:
    """The session is recorded, and is one of which nobody can tell whether it is recorded."""
    limits = StoreLimits(max_metadata_bytes=40)
    async with (
        DESIGNS["actor"](limits=limits) as store,
        SessionManager.with_store(store) as manager,
    ):
        recorder = await SessionRecorder.open(manager, ["server"], metadata={"x": 1})
        session = await manager.get_session(recorder.session_id)
        assert session.metadata == {"x": 1}
        assert recorder_state(session) is None
        await recorder.complete()
        assert (await manager.get_session(session.id)).metadata == {"x": 1}
        with pytest.raises(LimitExceeded, match="max_metadata_bytes"):
            await SessionRecorder.open(manager, ["server"], metadata={"x": "x" * 40})


async def test_a_heartbeat_needs_no_room(tmp_path: Path) -> None:
    """Metadata that are full to the last byte can be renewed: all leases have one size."""
    lease = own_lease()
    async with SQLiteSessionStore(tmp_path / "a.db") as store:
        size = len(recorded(lease).model_dump_json(include={"metadata"})) - len('{"metadata":}')
    limits = StoreLimits(max_metadata_bytes=size)
    async with SQLiteSessionStore(tmp_path / "b.db", limits=limits) as store:
        await store.create_session(recorded(lease))
        later = lease.renewed(lease.seen + timedelta(days=1))
        beaten = await store.modify_session("a", lambda each: with_lease(each, later))
        assert lease_of(beaten) == later
        ping = b'{"jsonrpc":"2.0","method":"x"}'
        assert await store.add_frame(MessageEnvelope.of("a", ping, direction="client-to-server"))
