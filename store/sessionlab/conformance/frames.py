"""Frames one after the other: appended, read, counted, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.delivery import HttpDelivery, SseDelivery, StdioDelivery
from sessionkeeper.values.errors import SessionClosed
from sessionkeeper.values.jsonrpc import MessageKind
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.states import SessionState

from .kit import StoreKit
from .samples import become, gap, held, new, note, numbers, odd, opaque

__all__ = ["FramesConformance"]

MESSAGES = (
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":"1","method":"ping"}',
    b' {\t"jsonrpc" : "2.0",\r\n"method":"x","params":{"b":1,"a":2}}\n',
    '{"jsonrpc":"2.0","method":"x","params":["é\u2028\U0001f600"]}'.encode(),
    b'{"jsonrpc":"2.0","method":"x","params":["\\u00e9\\ud83d\\ude00\\u0000"]}',
    b'{"jsonrpc":"2.0","id":2,"result":{"n":1.0,"m":1e2,"big":12345678901234567890}}',
    b'{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"no"}}',
    b'{"jsonrpc":"2.0","method":"x","params":["' + b"y" * 200_000 + b'"]}',
)

EAST = timezone(timedelta(hours=5, minutes=45))
CONTEXTS: tuple[dict[str, Any], ...] = (
    {},
    {"delivery": StdioDelivery(command=("server", "--flag", ""), pid=7)},
    {"delivery": HttpDelivery(method="POST", path="/mcp?x=1", status=202)},
    {"delivery": SseDelivery(event_id="é 1", event_type="message", retry=1500)},
    {"protocol_version": "2025-11-25", "metadata": {"trace": "1", "": "é"}},
    {"protocol_version": "2025-11-25"},
    {"metadata": {"trace": "1"}},
    {"stream": "GET é"},
    {"stream": "x", "metadata": {"trace": "1"}},
    {"timestamp": datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC)},
    {"timestamp": datetime(2026, 7, 28, 1, 2, 3, 4, EAST)},
)


class FramesConformance(StoreKit):
    async def test_numbers_start_at_one_and_have_no_gap(self, store: SessionStore) -> None:
        """`seq` starts at 1, has no gap, and is assigned in the order of the log."""
        await store.create_session(new("a"))
        await store.create_session(new("b"))
        told = [await store.add_frame(note(n)) for n in range(1, 11)]
        assert told == [*range(1, 11)]
        assert numbers(await store.get_frames("a")) == told
        assert await store.add_frame(note(1, "b")) == 1, "each session has its own log"

    async def test_messages_come_back_byte_for_byte(self, store: SessionStore) -> None:
        """`message`: the bytes of one message exactly as they crossed the wire."""
        await store.create_session(new())
        for message in MESSAGES:
            await store.add_frame(MessageEnvelope.of("a", message, direction="server-to-client"))
        found = [envelope.message for envelope in await store.get_frames("a")]
        for message, back in zip(MESSAGES, found, strict=True):
            assert back == message, f"stored {message[:60]!r}, gave back {back[:60]!r}"
            assert type(back) is bytes

    async def test_what_is_no_message_comes_back_whole(self, store: SessionStore) -> None:
        """An odd frame or a gap: its bytes, its media type, and the reason why it is no message."""
        await store.create_session(new())
        sent = [*odd(), gap(), note(7)]
        for envelope in sent:
            await store.add_frame(envelope)
        for envelope, back in zip(sent, await store.get_frames("a"), strict=True):
            assert back.message == envelope.message
            assert (back.media_type, back.oddity) == (envelope.media_type, envelope.oddity)
            assert back == envelope

    async def test_opaque_payloads_come_back_whole(self, store: SessionStore) -> None:
        """An opaque payload: its bytes and its media type; it is not odd, and nobody parses it."""
        await store.create_session(new())
        sent = opaque()
        for envelope in sent:
            await store.add_frame(envelope)
        for envelope, back in zip(sent, await store.get_frames("a"), strict=True):
            assert back == envelope
            assert (back.message, back.kind) == (envelope.message, MessageKind.OPAQUE)
        session = await store.get_session("a")
        assert (session.odd_frames, session.gap_frames) == (0, 0), "it was counted as odd"

    async def test_the_context_comes_back_whole(self, store: SessionStore) -> None:
        """`context`: session, direction, aware UTC time, delivery, version and metadata."""
        await store.create_session(new())
        sent = [
            MessageEnvelope.of("a", MESSAGES[0], direction=direction, **context)
            for context in CONTEXTS
            for direction in ("client-to-server", "server-to-client")
        ]
        for envelope in sent:
            await store.add_frame(envelope)
        for envelope, back in zip(sent, await store.get_frames("a"), strict=True):
            assert back == envelope
            assert back.context.timestamp.utcoffset() == timedelta(0), "the time is aware UTC"

    async def test_a_known_session_without_frames_has_none(self, store: SessionStore) -> None:
        """`get_frames(id)`: `[]` if known and empty."""
        await store.create_session(new())
        assert await store.get_frames("a") == []
        assert await store.count_frames("a") == 0
        assert await store.delete_frames("a") == 0

    async def test_frames_stay_in_their_session(self, store: SessionStore) -> None:
        """A log belongs to its session: no frame is shown or deleted with another session."""
        for key in ("a", "aa", "b"):
            await store.create_session(new(key))
        for n in range(1, 7):
            await store.add_frame(note(n, ("a", "aa", "b")[n % 3]))
        assert numbers(await store.get_frames("a")) == [3, 6]
        assert numbers(await store.get_frames("aa")) == [1, 4]
        assert await store.delete_frames("a") == 2
        await store.delete_session("b")
        assert numbers(await store.get_frames("aa")) == [1, 4]
        assert {each.context.session_id for each in await store.get_frames("aa")} == {"aa"}

    async def test_numbers_are_never_used_again(self, store: SessionStore) -> None:
        """`delete_frames`: how many went; numbering goes on, numbers are never used again."""
        await store.create_session(new())
        for n in range(1, 4):
            await store.add_frame(note(n))
        assert await store.delete_frames("a") == 3
        assert await store.get_frames("a") == []
        emptied = await store.get_session("a")
        assert (emptied.frame_count, emptied.last_seq) == (0, 3)
        assert await store.add_frame(note(4)) == 4, "a number was used again"
        assert await store.delete_frames("a") == 1
        assert await store.delete_frames("a") == 0
        assert await store.add_frame(note(5)) == 5, "a number was used again"
        assert numbers(await store.get_frames("a")) == [5]

    async def test_counts_are_exact(self, store: SessionStore) -> None:
        """`count_frames`: exact, and the same as the session's own `frame_count`."""
        await store.create_session(new())
        for n in range(1, 6):
            await store.add_frame(note(n))
            session = await store.get_session("a")
            assert session.frame_count == await store.count_frames("a") == n
            assert session.last_seq == n
        await store.delete_frames("a")
        await store.add_frame(note(6))
        session = await store.get_session("a")
        assert session.frame_count == await store.count_frames("a") == 1
        assert len(await store.get_frames("a")) == 1
        assert session == (await store.list_sessions())[0]

    async def test_frames_are_no_change_of_the_session(self, store: SessionStore) -> None:
        """`revision` grows with every change of a session's caller fields, not with frames."""
        created = await store.create_session(new())
        await store.add_frame(note())
        assert (await store.get_session("a")).revision == created.revision
        await store.delete_frames("a")
        assert (await store.get_session("a")).revision == created.revision
        # So a snapshot from before them is not stale, and takes nothing of them back.
        await store.add_frame(note(2))
        updated = await store.update_session(become("active")(created))
        assert (updated.frame_count, updated.last_seq) == (1, 2)
        assert numbers(await store.get_frames("a")) == [2]

    async def test_an_ended_session_takes_no_more_frames(self, store: SessionStore) -> None:
        """`SessionClosed` in a terminal state, with the state; existing frames can be read."""
        for state in (each for each in SessionState if each.is_terminal):
            session = await store.create_session(new(state, state="active"))
            await store.add_frame(note(1, state))
            session = await store.get_session(state)
            await store.update_session(become(state)(session))
            before = await held(store)
            with pytest.raises(SessionClosed) as refused:
                await store.add_frame(note(2, state))
            assert (refused.value.session_id, refused.value.state) == (state, state)
            assert await held(store) == before, "an error means: certainly no effect"
            assert numbers(await store.get_frames(state)) == [1]
            assert await store.delete_frames(state) == 1
            await store.create_session(new(f"{state}-2", state=state))
            with pytest.raises(SessionClosed):
                await store.add_frame(note(1, f"{state}-2"))

    async def test_a_session_that_has_not_ended_takes_frames(self, store: SessionStore) -> None:
        """Only the last three states are terminal."""
        for state in (each for each in SessionState if not each.is_terminal):
            await store.create_session(new(state, state=state))
            assert await store.add_frame(note(1, state)) == 1
