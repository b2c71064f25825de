"""Payloads that are no JSON-RPC message, and the streams of a log (Guarantees 1.4, 3.7)."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper import InvalidMessage, MessageContext, MessageEnvelope, MessageKind
from sessionkeeper.values.jsonrpc import MAX_MESSAGE_BYTES

NOTE = b'{"jsonrpc":"2.0","method":"x"}'


def payload(content: Any = b"\x00\xff", **given: Any) -> MessageEnvelope:
    """Bytes of a type of their own."""
    fields = {"media_type": "application/x-item", "direction": "client-to-server"} | given
    return MessageEnvelope.of_payload("a", content, **fields)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", NOTE, b"[" * 1000, b"{", b"NaN"], ids=range(6)
)
def test_any_bytes_are_an_opaque_payload(content: bytes) -> None:
    """As they are: not odd, and not parsed, even if they could be."""
    made = payload(content)
    assert (made.message, made.media_type, made.oddity) == (content, "application/x-item", None)
    assert made.kind is MessageKind.OPAQUE
    assert not made.is_message
    assert (made.method, made.request_id, made.heads()) == (None, None, ())
    assert MessageEnvelope.model_validate_json(made.model_dump_json()) == made


def test_a_message_is_one_of_json_rpc() -> None:
    """By its media type; what should be one and is not is odd, as ever."""
    kinds = [MessageEnvelope.of("a", each, direction="client-to-server") for each in (NOTE, b"x")]
    assert [(each.kind, each.is_message) for each in kinds] == [
        (MessageKind.NOTIFICATION, True),
        (MessageKind.ODD, False),
    ]


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/vnd.sessionkeeper.gap+json", "", "é", "a\n", "x" * 256, 5],
)
def test_a_media_type_that_no_payload_has(media_type: object) -> None:
    """Those of messages and of this library, and what is no text of visible ASCII."""
    with pytest.raises(ValueError, match="media") as raised:
        payload(media_type=media_type)
    assert "input" not in str(raised.value)


def test_a_payload_is_bytes() -> None:
    """No text and no buffer, and no more than a frame may have."""
    for wrong in ("text", bytearray(b"x"), None, 5):
        with pytest.raises(TypeError, match="a payload is bytes"):
            payload(wrong)
    with pytest.raises(InvalidMessage, match="larger than"):
        payload(bytes(MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize("stream", ["a", "\0", "é" * 127, "x" * 255, "GET stream"])
def test_a_stream_has_1_to_255_bytes(stream: str) -> None:
    """Of any text that has UTF-8."""
    context = payload(stream=stream).context
    assert context.stream == stream
    assert "stream" not in repr(context)
    assert MessageContext.model_validate_json(context.model_dump_json()) == context


@pytest.mark.parametrize("stream", ["", "é" * 128, "x" * 256, "\ud800", b"x", 5])
def test_what_is_no_stream(stream: object) -> None:
    """Empty, too long, a lone surrogate, no text."""
    with pytest.raises(ValueError, match="stream"):
        payload(stream=stream)


def test_a_frame_is_of_no_stream_unless_it_says_so() -> None:
    """None is the default, and can be given."""
    assert payload().context.stream is None
    assert payload(stream=None).context.stream is None
