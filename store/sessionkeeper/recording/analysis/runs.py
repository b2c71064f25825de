"""A run: what one client did, over all its servers.

A client that starts several servers has one recorder, and one session, for each. What they have in
common is who the client is, and when.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...values.states import SessionState
from .every_session import every_session
from .parties import client_name, client_process, client_version, server_name
from .times import duration_of, started_at

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.query import SessionQuery
    from ...values.session import Session

__all__ = ["RUN_PAUSE", "Run", "runs"]

RUN_PAUSE = timedelta(minutes=5)
"""After a pause longer than this, a client's next session begins another run."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of one client that follow each other without a long pause."""

    client_name: str | None
    """As the client named itself; None if it never did."""
    client_version: str | None
    principal: str | None
    client_host: str | None
    """The host of the client's process; None if the recorder did not know it."""
    client_pid: int | None
    sessions: tuple[str, ...]
    """Ids of the sessions, in order of creation."""
    servers: tuple[str, ...]
    """Names of the servers, each once, in the order of their first session."""
    failed: int
    """Number of its sessions that failed."""
    live: int
    """Number of its sessions that have not ended."""
    started: datetime
    ended: datetime
    """The end of its last session; the last activity, if that is live."""

    def __repr__(self) -> str:
        return f"<Run of {len(self.sessions)} sessions, {self.started:%Y-%m-%d %H:%M:%S}>"


async def runs(store: AtomicSessionStore, query: SessionQuery | None = None) -> AsyncGenerator[Run]:
    """Yield the runs of a store, the newest first.

    One run has one client: the same name, version and principal and, where they are known, the same
    host and process. A session belongs to the run if it was created at most `RUN_PAUSE` after the
    last activity of those before it. With a `query`, only sessions that match it count.

    It reads no frame. The memory is some hundred bytes a session. Raises `StoreUnavailable`,
    `StoreClosed`. Not atomic: it pages through `find_sessions`.
    """
    visits = [_visit(session) async for session in every_session(store, query=query)]
    visits.sort(key=lambda each: (each.started, each.session_id))
    unfinished: dict[_Client, list[_Visit]] = {}
    found: list[list[_Visit]] = []
    ends: dict[_Client, datetime] = {}
    for visit in visits:
        client = visit.client
        if client in ends and visit.started - ends[client] <= RUN_PAUSE:
            unfinished[client].append(visit)
            ends[client] = max(ends[client], visit.ended)
            continue
        unfinished[client] = [visit]
        found.append(unfinished[client])
        ends[client] = visit.ended
    for run in reversed(found):
        yield _run(run)


class _Client(NamedTuple):
    name: str | None
    version: str | None
    principal: str | None
    process: tuple[str, int] | None


class _Visit(NamedTuple):
    """What a run needs of one session."""

    client: _Client
    session_id: str
    server: str | None
    state: SessionState
    started: datetime
    ended: datetime


def _visit(session: Session) -> _Visit:
    client = _Client(
        client_name(session),
        client_version(session),
        session.principal,
        client_process(session),
    )
    return _Visit(
        client,
        session.id,
        server_name(session),
        session.state,
        started_at(session),
        started_at(session) + duration_of(session),
    )


def _run(visits: list[_Visit]) -> Run:
    client = visits[0].client
    host, pid = client.process or (None, None)
    return Run(
        client_name=client.name,
        client_version=client.version,
        principal=client.principal,
        client_host=host,
        client_pid=pid,
        sessions=tuple(each.session_id for each in visits),
        servers=tuple(dict.fromkeys(each.server for each in visits if each.server is not None)),
        failed=sum(each.state is SessionState.FAILED for each in visits),
        live=sum(not each.state.is_terminal for each in visits),
        started=visits[0].started,
        ended=max(each.ended for each in visits),
    )
