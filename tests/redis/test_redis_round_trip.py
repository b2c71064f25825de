"""From memory through an export, a file and a server a session comes out as it went in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from redis_server import RedisServer
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Gap,
    MessageEnvelope,
    RedisSessionStore,
    Session,
    SessionState,
    SQLiteSessionStore,
)
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.json_lines import (
    export_session,
    header_line,
    import_session,
    last_line,
    read_export,
)

NUMBERS = count(1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))


@st.composite
def frames(draw: st.DrawFn) -> dict[str, Any]:
    """The parts of a frame."""
    message = {"jsonrpc": "2.0", "id": draw(st.integers(0, 9)), "method": draw(TEXTS)}
    message["params"] = draw(st.dictionaries(TEXTS, JSON, max_size=2))
    lost = draw(st.binary(max_size=40))
    return {
        "message": draw(st.sampled_from((message, lost, Gap.of(lost, "too large")))),
        "direction": draw(st.sampled_from(("client-to-server", "server-to-client"))),
        "timestamp": draw(MOMENTS),
        "metadata": draw(st.dictionaries(NAMES, TEXTS, max_size=2)),
        "delivery": draw(st.none() | st.just({"via": "http", "method": "POST", "status": 200})),
    }


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Session, list[dict[str, Any]], int]:
    """A session with its own times, its frames, and how many of them are gone."""
    state = draw(st.sampled_from(SessionState))
    created = draw(MOMENTS)
    lasted = timedelta(microseconds=draw(st.integers(0, 10**9)))
    session = Session.new(
        transport_type=draw(st.sampled_from(("stdio", "sse"))),
        state=state,
        failure=draw(st.none() | NAMES),
        principal=draw(st.none() | NAMES),
        client_info=draw(st.none() | st.dictionaries(NAMES, JSON, max_size=2)),
        tags=draw(st.sets(NAMES, max_size=3)),
        metadata=draw(st.dictionaries(NAMES, JSON, max_size=3)),
    ).model_copy(
        update={
            "created_at": created,
            "last_activity": created + lasted / 2,
            "ended_at": created + lasted if state.is_terminal else None,
        }
    )
    log = draw(st.lists(frames(), max_size=6))
    return session, log, draw(st.integers(0, len(log)))


def frame_of(session_id: str, message: Any, **context: Any) -> MessageEnvelope:
    """A message, bytes that are none, or a gap."""
    if isinstance(message, Gap):
        return MessageEnvelope.of_gap(session_id, message, **context)
    return MessageEnvelope.of(session_id, message, **context)


async def fill(store: AtomicSessionStore, session: Session, log: list[Any], gone: int) -> None:
    """Put a session into a store as it is."""
    begun = session.model_copy(update={"state": SessionState.INITIALIZING})
    created = await store.create_session(begun)
    await store.add_frames(session.id, [frame_of(session.id, **each) for each in log])
    await store.trim_frames(session.id, up_to=gone)
    wanted = session.model_copy(update={"revision": created.revision})
    await store.archive_session(wanted, expected_last_seq=len(log))


async def lines_of(store: AtomicSessionStore) -> list[str]:
    """The export of a whole store."""
    lines = [header_line()]
    listed = await store.list_sessions()
    for session in listed:
        lines += await export_session(store, session.id)
    return [*lines, last_line(len(listed))]


async def odd_in(store: AtomicSessionStore, ids: set[str]) -> dict[str, tuple[int, int]]:
    """How many frames of these sessions are odd, and how many are gaps."""
    listed = await store.list_sessions()
    return {each.id: (each.odd_frames, each.gap_frames) for each in listed if each.id in ids}


@settings(max_examples=40)
@given(st.lists(sessions(), max_size=3))
def test_a_session_comes_back_as_it_was(
    tmp_path: Path, server: RedisServer, given: list[tuple[Session, list[Any], int]]
) -> None:
    """Sessions of every state, with any frames: fields, frames, numbers and times are the same.

    Among the frames are bytes that are no message, and gaps.
    """
    number = next(NUMBERS)

    async def travel() -> None:
        async with (
            ActorSessionStore() as memory,
            SQLiteSessionStore(tmp_path / f"{number}.db", durability="os") as file,
            RedisSessionStore(server.url, prefix=f"trip-{number}") as remote,
        ):
            for session, log, gone in given:
                await fill(memory, session, log, gone)
            lines = await lines_of(memory)
            for stored in read_export(lines):
                await import_session(file, stored)
            assert await lines_of(file) == lines
            report = await copy_sessions(file, remote)
            assert report.differences == []
            assert await lines_of(remote) == lines
            # Of frames that were trimmed, nobody can tell how many were odd.
            whole = {session.id for session, _, gone in given if not gone}
            assert (
                await odd_in(memory, whole)
                == await odd_in(file, whole)
                == await odd_in(remote, whole)
            )

    asyncio.run(travel())
