"""Frames of no single message: a batch has the effects of its messages, odd frames none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Gap,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    SessionManager,
    SessionState,
    SQLiteSessionStore,
    StoreLimits,
    VersionState,
)

UP, DOWN = "client-to-server", "server-to-client"
VERSION = "2025-03-26"
INITIALIZE: dict[str, Any] = {
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": VERSION, "clientInfo": {"name": "c", "version": "1"}},
}
INITIALIZED: dict[str, Any] = {
    "id": 0,
    "result": {"protocolVersion": VERSION, "serverInfo": {"name": "s", "version": "1"}},
}
READY = {"method": "notifications/initialized"}
LINES = [
    b"",
    b"Starting up...",
    b'{"jsonrpc":"2.0","id":1,"result":"\xb0\xa1"}',
    b'{"jsonrpc":"2.0","id":1.0,"result":{}}',
    b'{"jsonrpc":"2.0","id":0,"id":0,"result":{"protocolVersion":"2025-06-18"}}',
    b"[1]",
]


def batch(*messages: Mapping[str, object], direction: str = UP) -> MessageEnvelope:
    """A batch of session "a"."""
    array = [{"jsonrpc": "2.0", **each} for each in messages]
    return MessageEnvelope.of("a", json.dumps(array), direction=direction)


def one(direction: str = UP, **members: object) -> MessageEnvelope:
    """A message of session "a"."""
    return MessageEnvelope.of("a", {"jsonrpc": "2.0", **members}, direction=direction)


async def test_a_handshake_in_batches_is_a_handshake() -> None:
    """The version, the names and the state, each batch in one step."""
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.record(batch(INITIALIZE, {"id": 1, "method": "tools/list"}))
        await manager.record(batch({"id": 1, "result": {}}, INITIALIZED, direction=DOWN))
        session = await manager.get_session("a")
        assert session.version_state == VersionState(requested=VERSION, negotiated=VERSION)
        assert session.client_info == INITIALIZE["params"]["clientInfo"]
        assert session.server_info == INITIALIZED["result"]["serverInfo"]
        await manager.record(batch(READY, {"id": 2, "method": "ping"}))
        session = await manager.get_session("a")
        assert session.state is SessionState.ACTIVE
        assert (session.frame_count, session.odd_frames) == (3, 0)


async def test_opaque_bytes_have_no_effect_even_if_they_could_be_read() -> None:
    """Neither on the state nor on requests: their media type says that they are no message."""
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio", id="a")
        for each in (one(**INITIALIZE), one(DOWN, **INITIALIZED), one(**READY)):
            payload = MessageEnvelope.of_payload(
                "a", each.message, media_type="text/plain", direction=each.context.direction
            )
            await manager.record(payload)
        session = await manager.get_session("a")
        assert (session.state, session.version_state) == (SessionState.INITIALIZING, VersionState())
        assert (session.frame_count, session.odd_frames) == (3, 0)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("together", [False, True])
async def test_a_client_that_does_not_wait_for_the_result(
    tmp_path: Path, *, restarted: bool, together: bool
) -> None:
    """It sends `initialized` with its first batch: the result still settles the version."""
    first = [INITIALIZE, READY, {"id": 1, "method": "tools/list"}]
    async with SQLiteSessionStore(tmp_path / "s.db") as store:
        async with SessionManager.with_store(store) as manager:
            await manager.create_session(transport_type="stdio", id="a")
            for each in [batch(*first)] if together else [one(**each) for each in first]:
                await manager.record(each)
            assert (await manager.get_session("a")).state is SessionState.ACTIVE
            if not restarted:
                await manager.record(one(DOWN, **INITIALIZED))
        async with SessionManager.with_store(store) as manager:
            if restarted:
                await manager.record(one(DOWN, **INITIALIZED))
            session = await manager.get_session("a")
            assert session.version_state == VersionState(requested=VERSION, negotiated=VERSION)
            assert session.server_info == INITIALIZED["result"]["serverInfo"]
            other = INITIALIZED["result"] | {"protocolVersion": "2024-11-05"}
            await manager.record(one(DOWN, id=0, result=other))
            assert (await manager.get_session("a")).revision == session.revision


async def test_after_a_restart_the_log_tells_of_batches(tmp_path: Path) -> None:
    """A result alone is of a request that came in a batch, and the other way round."""
    async with SQLiteSessionStore(tmp_path / "s.db") as store:
        async with SessionManager.with_store(store) as manager:
            await manager.create_session(transport_type="stdio", id="a")
            await manager.record(batch({"id": 1, "method": "ping"}, INITIALIZE))
            for line in LINES:
                await manager.record(MessageEnvelope.of("a", line, direction=DOWN))
        async with SessionManager.with_store(store) as manager:
            await manager.record(batch({"id": 1, "result": {}}, INITIALIZED, direction=DOWN))
            session = await manager.get_session("a")
    assert session.version_state == VersionState(requested=VERSION, negotiated=VERSION)


async def test_the_requests_of_a_batch_wait_each_for_its_response() -> None:
    """Pending, matched, answered and cancelled as if they had come one by one."""
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.record(batch(*({"id": n, "method": "tools/call"} for n in range(4))))
        assert [each.request_id for each in manager.pending_requests("a")] == [0, 1, 2, 3]
        answers = batch({"id": 2, "result": {}}, {"id": 0, "error": {}}, direction=DOWN)
        found = manager.match(answers)
        assert found is not None
        assert found.request_id == 2
        await manager.record(answers)
        await manager.record(one(DOWN, id=3, result={}))
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
        await manager.record(batch(cancelled))
        now = (await manager.statistics()).requests
    assert (now.started, now.answered, now.cancelled, now.pending) == (4, 3, 1, 0)


@pytest.mark.parametrize("limit", ["requests", "store"])
async def test_a_refused_batch_leaves_nothing_pending(limit: str) -> None:
    """Not one of its requests, whoever refused it."""
    few = ManagerConfig(max_pending_per_session=2) if limit == "requests" else ManagerConfig()
    async with SessionManager(few) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        requests = [{"id": n, "method": "tools/call"} for n in range(3)]
        if limit == "store":
            await manager.complete_session("a")
        with pytest.raises(Exception, match=r"max_pending|has ended"):
            await manager.record(batch(INITIALIZE, *requests))
        assert manager.pending_requests("a") == []
        now = (await manager.statistics()).requests
        assert (now.pending, now.withdrawn) == (0, now.started)
        assert await manager.store.count_frames("a") == 0


async def test_odd_frames_and_gaps_are_recorded_and_mean_nothing() -> None:
    """They come back byte for byte, change no state, answer no request, and are counted."""
    gap = Gap.of(b"x" * 5000, "larger than the recorder takes")
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.record(one(**INITIALIZE))
        before = await manager.get_session("a")
        for line in LINES:
            odd = MessageEnvelope.of("a", line, direction=DOWN)
            assert manager.match(odd) is None
            await manager.record(odd)
        await manager.record(MessageEnvelope.of_gap("a", gap, direction=DOWN))
        frames = await manager.store.read_frames("a", after=1)
        session = await manager.get_session("a")
        assert len(manager.pending_requests("a")) == 1
    assert [each.envelope.message for each in frames[:-1]] == LINES
    assert [each.envelope.kind for each in frames] == ["odd"] * len(LINES) + ["gap"]
    last = frames[-1].envelope
    assert (last.oddity, last.message) == (gap.reason, gap.to_json())
    assert (session.revision, session.state) == (before.revision, before.state)
    assert (session.odd_frames, session.gap_frames) == (len(LINES), 1)


async def test_a_rate_counts_each_frame_whatever_it_is() -> None:
    """An odd one as any other, and a batch as one."""
    async with SessionManager(ManagerConfig(rate_limit=0.001, rate_burst=2)) as manager:
        await manager.create_session(transport_type="stdio", id="a")
        await manager.record(MessageEnvelope.of("a", b"noise", direction=DOWN))
        await manager.record(batch(*({"method": "x"} for _ in range(10))))
        with pytest.raises(LimitExceeded, match="too many messages"):
            await manager.record(MessageEnvelope.of("a", b"noise", direction=DOWN))


async def test_the_depth_a_store_allows_is_of_messages() -> None:
    """The depth of an odd frame is not known."""
    limits = StoreLimits(max_json_depth=3)
    async with ActorSessionStore(limits=limits) as store, SessionManager.with_store(store) as m:
        await m.create_session(transport_type="stdio", id="a")
        await m.record(MessageEnvelope.of("a", b"[[[[[[ noise", direction=DOWN))
        with pytest.raises(LimitExceeded, match="max_json_depth"):
            await m.record(batch({"method": "x", "params": [[[]]]}))
