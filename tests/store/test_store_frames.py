"""The append-only log of a session (contract 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    HttpDelivery,
    MessageEnvelope,
    SessionClosed,
    SessionState,
    SseDelivery,
    StdioDelivery,
)

if TYPE_CHECKING:
    from tests.store.conftest import Kit

DELIVERIES = [
    None,
    StdioDelivery(command=("server", "--flag"), pid=7),
    HttpDelivery(method="POST", path="/mcp", status=200),
    SseDelivery(event_id="5", event_type="message", retry=1000),
]


async def test_numbers_start_at_one_and_have_no_gap(store: AtomicSessionStore, kit: Kit) -> None:
    """`seq` starts at 1, has no gap, and is assigned in the order of the log, per session."""
    for key in "ab":
        await store.create_session(kit.session(key))
    for n in range(1, 6):
        for key in "ab":
            assert await store.add_frame(kit.note(n, key)) == n
    frames = await store.read_frames("a")
    assert [frame.seq for frame in frames] == [1, 2, 3, 4, 5]
    assert kit.numbers([frame.envelope for frame in frames]) == [1, 2, 3, 4, 5]
    session = await store.get_session("b")
    assert (session.frame_count, session.last_seq) == (5, 5)


async def test_frames_come_back_in_order_and_byte_for_byte(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`get_frames`: in order; each the bytes exactly as they crossed the wire."""
    await store.create_session(kit.session("a"))
    assert await store.get_frames("a") == []
    messages = [
        b'{"jsonrpc":"2.0","id":1,"method":"a"}',
        b' {"id" : "1", "jsonrpc":"2.0", "result":{"\\u00e9":"\xc3\xa9", "n":1.50e+2}}\r\n',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
        b'{"jsonrpc":"2.0","method":"big","params":[' + b"1" * 10_000 + b"]}",
    ]
    for message in messages:
        await store.add_frame(MessageEnvelope.of("a", message, direction="client-to-server"))
    assert [envelope.message for envelope in await store.get_frames("a")] == messages


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda d: getattr(d, "via", "none"))
async def test_the_context_comes_back_whole(
    store: AtomicSessionStore, kit: Kit, delivery: object
) -> None:
    """Direction, timestamp in UTC, delivery, protocol version and metadata survive the store."""
    await store.create_session(kit.session("a"))
    elsewhere = timezone(timedelta(hours=-3, minutes=-30))
    sent = MessageEnvelope.of(
        "a",
        {"jsonrpc": "2.0", "method": "x"},
        direction="server-to-client",
        timestamp=datetime(2026, 7, 28, 23, 59, 59, 123456, tzinfo=elsewhere),
        delivery=delivery,
        protocol_version="2026-07-28",
        metadata={"trace": "1-2-3", "": "empty"},
    )
    plain = kit.note(5)
    await store.add_frame(sent)
    await store.add_frame(plain)
    kept, unadorned = await store.get_frames("a")
    assert (kept, unadorned) == (sent, plain)
    assert kept.context.timestamp == datetime(2026, 7, 29, 3, 29, 59, 123456, tzinfo=UTC)
    assert kept.context.timestamp.tzinfo is UTC
    assert type(kept.context.delivery) is type(delivery)


@pytest.mark.parametrize(
    "context",
    [{"protocol_version": "1"}, {"metadata": {"a": "b"}}, {"delivery": HttpDelivery(status=200)}],
    ids=lambda context: next(iter(context)),
)
async def test_each_part_of_the_context_comes_back_alone(
    store: AtomicSessionStore, kit: Kit, context: dict[str, object]
) -> None:
    """None of them needs another."""
    await store.create_session(kit.session("a"))
    sent = MessageEnvelope.of("a", kit.note().message, direction="server-to-client", **context)
    await store.add_frame(sent)
    assert await store.get_frames("a") == [sent]


async def test_numbers_are_never_used_again(store: AtomicSessionStore, kit: Kit) -> None:
    """`delete_frames`: how many went; numbering goes on, numbers are never used again."""
    await store.create_session(kit.session("a"))
    for n in range(3):
        await store.add_frame(kit.note(n))
    assert await store.delete_frames("a") == 3
    assert await store.delete_frames("a") == 0
    assert await store.get_frames("a") == []
    assert await store.count_frames("a") == 0
    session = await store.get_session("a")
    assert (session.frame_count, session.last_seq) == (0, 3)
    assert await store.add_frame(kit.note(3)) == 4
    (frame,) = await store.read_frames("a")
    assert (frame.seq, frame.envelope) == (4, (await store.get_frames("a"))[0])


async def test_counts_are_exact(store: AtomicSessionStore, kit: Kit) -> None:
    """`count_frames`: exact, and per session."""
    for key in "ab":
        await store.create_session(kit.session(key))
    for n in range(7):
        await store.add_frame(kit.note(n, "a"))
    await store.add_frame(kit.note(0, "b"))
    assert (await store.count_frames("a"), await store.count_frames("b")) == (7, 1)
    await store.delete_frames("a")
    assert (await store.count_frames("a"), await store.count_frames("b")) == (0, 1)
    assert (await store.statistics()).frames == 1


@pytest.mark.parametrize("state", ["closed", "failed", "timed-out"])
async def test_an_ended_session_takes_no_more_frames(
    store: AtomicSessionStore, kit: Kit, state: str
) -> None:
    """`SessionClosed` (terminal state), with the state; what is there can still be read."""
    session = await store.create_session(kit.session("a"))
    await store.add_frame(kit.note(1))
    session = await store.update_session(session.model_copy(update={"state": state}))
    with pytest.raises(SessionClosed) as refused:
        await store.add_frame(kit.note(2))
    assert (refused.value.session_id, refused.value.state) == ("a", SessionState(state))
    assert kit.numbers(await store.get_frames("a")) == [1]
    assert session.ended_at is not None
    assert await store.get_session("a") == session


@pytest.mark.parametrize("state", ["closed", "failed", "timed-out"])
async def test_a_session_may_be_created_ended(
    store: AtomicSessionStore, kit: Kit, state: str
) -> None:
    """An import of old sessions: it has its end and takes no frames."""
    session = await store.create_session(kit.session("a", state=state))
    assert session.ended_at is not None
    with pytest.raises(SessionClosed):
        await store.add_frame(kit.note())
    with pytest.raises(SessionClosed):
        await store.add_frames("a", [kit.note()])


@pytest.mark.parametrize("state", ["initializing", "active", "shutting-down"])
async def test_a_session_that_has_not_ended_takes_frames(
    store: AtomicSessionStore, kit: Kit, state: str
) -> None:
    """Only the last three states are terminal."""
    session = await store.create_session(kit.session("a", state=state))
    assert session.ended_at is None
    assert await store.add_frame(kit.note()) == 1
