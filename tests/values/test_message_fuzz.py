"""Whatever is thrown at an envelope is kept byte for byte; only a valid message has no oddity."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sessionkeeper import InvalidMessage, MessageEnvelope, MessageKind

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBERS = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
IDS = st.integers(-(2**80), 2**80) | TEXT
EXTRA = st.dictionaries(
    TEXT.filter(lambda name: name not in {"jsonrpc", "id", "method", "result", "error"}),
    JSON,
    max_size=3,
)


def shaped(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A message with these members, and some nobody knows."""
    known = st.fixed_dictionaries({"jsonrpc": st.just("2.0"), **members})
    return st.tuples(EXTRA, known).map(lambda both: both[0] | both[1])


MESSAGES = st.one_of(
    shaped(id=IDS, method=TEXT),
    shaped(id=IDS, method=TEXT, params=JSON),
    shaped(method=TEXT, params=JSON),
    shaped(id=IDS, result=JSON),
    shaped(id=IDS | st.none(), error=JSON),
)
PIECES = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"\\ud800", b"0", b"1", b"-"),
        *(b'"jsonrpc":"2.0"', b'"method":"x"', b'"id":1', b'"params":', b"null", b"NaN", b"1e9"),
        *(b'"result":1', b'"error":{}', b" ", b"\n", b"\0", b"\xff", b"\xc3", b"\xc3\xa9", b"\xed"),
    ]
)


def of(message: Any) -> MessageEnvelope:
    """An envelope of it."""
    return MessageEnvelope.of("a", message, direction="client-to-server", strict=True)


@given(MESSAGES)
def test_any_message_comes_back(message: dict[str, Any]) -> None:
    """Any JSON-RPC dict round-trips, and so do its kind, method and id."""
    envelope = of(message)
    assert json.loads(envelope.message) == message
    assert envelope.method == message.get("method")
    assert envelope.request_id == message.get("id")
    assert type(envelope.request_id) is type(message.get("id"))
    kinds = {"result": MessageKind.RESULT, "error": MessageKind.ERROR}
    expected = next((kinds[name] for name in kinds if name in message), None)
    request = MessageKind.REQUEST if "id" in message else MessageKind.NOTIFICATION
    assert envelope.kind is (expected or request)
    assert of(envelope.message).message == envelope.message
    spaced = json.dumps(message, indent=1)
    assert of(spaced).message == spaced.encode()


def keep(message: bytes | str, reason: str) -> None:
    """Keep what is no message; text that cannot be bytes never crossed a wire."""
    if isinstance(message, bytes):
        odd = MessageEnvelope.of("a", message, direction="client-to-server")
        assert (odd.message, odd.oddity, odd.kind) == (message, reason, "odd")
        assert MessageEnvelope.model_validate_json(odd.model_dump_json()) == odd
        assert MessageEnvelope.model_validate(odd.model_dump()) == odd


def answer(message: bytes | str) -> None:
    """Take or refuse; what is taken must be readable, and what is refused is odd, and kept."""
    try:
        envelope = of(message)
    except InvalidMessage as invalid:
        keep(message, invalid.reason)
        return
    assert isinstance(envelope.kind, MessageKind)
    assert envelope.oddity is None
    assert MessageEnvelope.model_validate_json(envelope.model_dump_json()) == envelope
    parsed = json.loads(envelope.message)
    if isinstance(parsed, list):
        assert envelope.kind is MessageKind.BATCH
        assert [each.get("method") for each in parsed] == [
            None if head.method is msgspec.UNSET else head.method for head in envelope.heads()
        ]
        return
    assert parsed["jsonrpc"] == "2.0"
    assert parsed.get("method") == envelope.method


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=100))
@example(b"\xef\xbb\xbf{}")
@example("\ud800")
def test_garbage_has_one_answer(message: bytes | str) -> None:
    """Any garbage is a valid message or odd, and nothing raises but `InvalidMessage`."""
    answer(message)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=25).map(b"".join))
def test_garbage_that_looks_like_json_has_one_answer(message: bytes) -> None:
    """The same for what is nearly JSON-RPC."""
    answer(message)
    answer(b'{"jsonrpc":"2.0","method":"x","params":' + message + b"}")


@settings(max_examples=200)
@given(MESSAGES, st.data())
def test_a_damaged_message_has_one_answer(message: dict[str, Any], data: st.DataObject) -> None:
    """The same for a good message with a piece cut out, put in or changed."""
    text = of(message).message
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 5)))
    answer(text[:at] + data.draw(PIECES | st.binary(max_size=3)) + text[until:])


@given(st.dictionaries(TEXT | st.sampled_from(["jsonrpc", "method", "id", "result"]), JSON))
def test_any_dict_has_one_answer(message: dict[str, Any]) -> None:
    """The same for dicts, which most often are no message."""
    with contextlib.suppress(InvalidMessage):
        assert json.loads(of(message).message) == message
