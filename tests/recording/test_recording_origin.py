"""Each message is recorded with its origin: delivery, stream, and what its bytes are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sessionkeeper import HttpDelivery, MessageKind, SessionManager, SseDelivery
from sessionkeeper.recording import Origin, SessionRecorder
from sessionkeeper.recording.budget import Budget
from sessionkeeper.recording.journal import Journal
from sessionkeeper.recording.outcomes import LineOutcome
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.states import Direction, TransportType

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'
ASKED = Origin(HttpDelivery(method="POST", path="/mcp"), "POST-1")
EVENT = Origin(SseDelivery(event_id="7"), "POST-1")


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    async with SessionManager() as manager:
        yield manager


async def recorder_of(manager: SessionManager) -> SessionRecorder:
    return await SessionRecorder.open(manager, transport_type=TransportType.STREAMABLE_HTTP)


async def test_a_frame_has_the_delivery_and_the_stream_of_its_origin(
    manager: SessionManager,
) -> None:
    """A gap, too; and a session without a command has no delivery of its own."""
    recorder = await recorder_of(manager)
    recorder.started(7)
    now = datetime.now(UTC)
    await recorder.record(C2S, PING, now, origin=ASKED)
    await recorder.record(S2C, PONG, now, origin=EVENT)
    await recorder.record_gap(S2C, Gap("lost", 3), now, origin=EVENT)
    await recorder.record(C2S, PONG, now)
    frames = await manager.store.get_frames(recorder.session_id)
    contexts = [frame.context for frame in frames]
    assert [context.delivery for context in contexts] == [
        ASKED.delivery,
        EVENT.delivery,
        EVENT.delivery,
        None,
    ]
    assert [context.stream for context in contexts] == ["POST-1", "POST-1", "POST-1", None]


async def test_a_payload_is_opaque_and_a_known_oddity_is_kept(manager: SessionManager) -> None:
    """Neither is judged: bytes of another media type, and bytes that the proxy found odd."""
    recorder = await recorder_of(manager)
    now = datetime.now(UTC)
    text = Origin(media_type="text/plain; charset=utf-8")
    odd = Origin(oddity="HTTP 404 without a body")
    assert await recorder.record(S2C, PONG, now, origin=text) is None
    assert await recorder.record(S2C, b"", now, origin=odd) is MessageKind.ODD
    opaque, empty = await manager.store.get_frames(recorder.session_id)
    assert (opaque.kind, opaque.media_type, opaque.message) == ("opaque", text.media_type, PONG)
    assert (empty.kind, empty.oddity, empty.message) == ("odd", odd.oddity, b"")


async def test_the_journal_pairs_only_messages(manager: SessionManager) -> None:
    """A payload that looks like an answer answers nothing; what is odd may have been one."""
    recorder = await recorder_of(manager)
    journal = Journal(recorder, budget=Budget(10_000), report=print)
    journal.offer(C2S, [PING], ASKED)
    journal.offer(S2C, [PONG], Origin(media_type="text/plain"))
    async with asyncio.timeout(60):
        while journal.outcomes[S2C][LineOutcome.ASIDE] < 1:
            await asyncio.sleep(0)
    assert journal.unanswered() == 1
    journal.offer(S2C, [b"\x1f\x8b"], Origin(oddity="not gzip"))
    await journal.settle(60)
    assert journal.unanswered() == 0
    assert journal.outcomes[S2C][LineOutcome.ODD] == 1


@pytest.mark.parametrize(("second", "stream"), [(ASKED, "POST-1"), (Origin(None, "POST-2"), None)])
async def test_what_was_dropped_has_its_stream_if_it_has_one(
    manager: SessionManager, second: Origin, stream: str | None
) -> None:
    """Never that of the message that follows it."""
    recorder = await recorder_of(manager)
    journal = Journal(recorder, budget=Budget(1_000), report=lambda _: None)
    for origin in ASKED, second:
        journal.offer(C2S, [PING + b" " * 2_000], origin)
    journal.offer(C2S, [PING], EVENT._replace(stream="POST-3"))
    await journal.settle(60)
    gap, kept = await manager.store.get_frames(recorder.session_id)
    assert (gap.kind, gap.context.stream) == ("gap", stream)
    assert kept.context.stream == "POST-3"
