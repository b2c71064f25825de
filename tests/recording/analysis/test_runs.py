"""A run is what one client did, over all its servers."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from functools import partial
from itertools import count

from sessionkeeper import ActorSessionStore, AtomicSessionStore, Session, SessionQuery, SessionState
from sessionkeeper.recording import Run, runs
from sessionkeeper.recording.analysis.parties import CLIENT_KEY
from sessionkeeper.recording.analysis.runs import RUN_PAUSE

from tests.support.recorded_logs import START
from tests.support.recordings import RecordedServer

_numbers = count()


async def visit(
    store: AtomicSessionStore,
    begins: float,
    ends: float,
    *,
    client: str | None = "editor",
    server: str = "files",
    pid: int | None = None,
    **fields: object,
) -> str:
    """An ended session that lasted from one minute to another; as an import makes it."""
    infos = {
        "client_info": None if client is None else {"name": client, "version": "1"},
        "server_info": {"name": server},
        "metadata": {} if pid is None else {CLIENT_KEY: {"host": "h", "pid": pid}},
    }
    session = Session.new(transport_type="stdio", id=f"s{next(_numbers):03}", **infos, **fields)
    made = await store.create_session(session)
    past = made.model_copy(
        update={
            "state": SessionState.CLOSED,
            "created_at": _minute(begins),
            "last_activity": _minute(ends),
            "ended_at": _minute(ends),
        }
    )
    return (await store.archive_session(past, expected_last_seq=0)).id


def _minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def _with_state(state: SessionState, session: Session) -> Session:
    return session.model_copy(update={"state": state})


async def found_in(store: AtomicSessionStore, query: SessionQuery | None = None) -> list[Run]:
    return [run async for run in runs(store, query)]


async def test_a_client_of_two_real_servers_makes_one_run() -> None:
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as time:
            await time.greet()
            async with RecordedServer(store, [sys.executable, "-m", "mcp_server_git"]) as git:
                await git.greet()
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as other:
            await other.greet("another")
        newest, run = await found_in(store)
    assert (run.client_name, run.client_version) == ("editor", "1")
    assert run.servers == ("mcp-time", "mcp-git")
    assert run.sessions == (time.session_id, git.session_id)
    assert (run.live, run.failed) == (0, 0)
    assert newest.client_name == "another"


async def test_a_long_pause_begins_another_run() -> None:
    """It is counted from the end of the longest session, not of the last one."""
    pause = RUN_PAUSE.total_seconds() / 60
    async with ActorSessionStore() as store:
        first = await visit(store, 0, 60)
        short = await visit(store, 1, 2, server="git")
        near = await visit(store, 60 + pause, 61 + pause)
        far = await visit(store, 61.1 + 2 * pause, 70 + pause)
        found = await found_in(store)
    assert [run.sessions for run in found] == [(far,), (first, short, near)]
    assert found[1].servers == ("files", "git")
    assert (found[1].started, found[1].ended) == (_minute(0), _minute(61 + pause))


async def test_clients_that_differ_have_runs_of_their_own() -> None:
    """By name, principal or process; interleaved as they may be."""
    async with ActorSessionStore() as store:
        for minute in range(2):
            await visit(store, minute, minute + 1)
            await visit(store, minute, minute + 1, client="other")
            await visit(store, minute, minute + 1, client=None)
            await visit(store, minute, minute + 1, principal="alice")
            await visit(store, minute, minute + 1, pid=7)
            await visit(store, minute, minute + 1, pid=8)
        found = await found_in(store)
        only = await found_in(store, SessionQuery(principal="alice"))
    assert [len(run.sessions) for run in found] == [2] * 6
    assert {(run.client_name, run.principal, run.client_pid) for run in found} == {
        ("editor", None, None),
        ("other", None, None),
        (None, None, None),
        ("editor", "alice", None),
        ("editor", None, 7),
        ("editor", None, 8),
    }
    assert [run.principal for run in only] == ["alice"]


async def test_runs_are_in_order_of_time_however_sessions_were_imported() -> None:
    async with ActorSessionStore() as store:
        late = await visit(store, 100, 101)
        early = await visit(store, 0, 1)
        middle = await visit(store, 2, 3)
        assert [run.sessions for run in await found_in(store)] == [(late,), (early, middle)]


async def test_live_and_failed_sessions_are_counted() -> None:
    async with ActorSessionStore() as store:
        for name, state in ("a", SessionState.ACTIVE), ("b", SessionState.FAILED):
            session = Session.new(id=name, transport_type="stdio")
            await store.create_session(session)
            await store.modify_session(name, partial(_with_state, state))
        (run,) = await found_in(store)
    assert (run.live, run.failed, run.servers) == (1, 1, ())
    assert "2 sessions" in repr(run)
