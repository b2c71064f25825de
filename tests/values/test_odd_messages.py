"""Every odd message has one documented answer, and none quotes it (hazards, "Messages").

Each is kept byte for byte with its reason (Guarantees 1.4), or refused with it where that is asked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sessionkeeper.values.message
from sessionkeeper import InvalidMessage, MessageContext, MessageEnvelope
from sessionkeeper.values import jsonrpc, oddities
from sessionkeeper.values.json_depth import MAX_DEPTH, nests_deeper
from sessionkeeper.values.jsonrpc import read_heads, validate_message

CANARY = "c4n4ry-s3cr3t"  # also in each of the messages below
CONTEXT = MessageContext(session_id="a", direction="client-to-server")  # type: ignore[arg-type]  # it is made one


def head(rest: str) -> bytes:
    """A message with the canary and more members."""
    return f'{{"jsonrpc":"2.0","method":"{CANARY}"{rest}}}'.encode("utf-8", "surrogatepass")


def params(value: str) -> bytes:
    """A notification with parameters of any kind."""
    return head(f',"params":{value}')


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """A message that nests so many levels, its own included."""
    return params(opening * (levels - 1) + closing * (levels - 1))


ODD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON"),
    "white space": (b" \n", "not JSON"),
    "not UTF-8": (head("").replace(b"2.0", b"2.0\xff"), "not UTF-8"),
    "overlong UTF-8": (params('["\x7f"]').replace(b"\x7f", b"\xc0\x80"), "not UTF-8"),
    "a surrogate as UTF-8": (params('["\ud800"]'), "not UTF-8"),
    "UTF-16": (head("").decode().encode("utf-16"), "not UTF-8"),
    "UTF-16 without mark": (head("").decode().encode("utf-16-le"), "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + head(""), "not JSON"),
    "text": (CANARY.encode(), "not JSON"),
    "cut off": (head("")[:-1], "not JSON"),
    "trailing garbage": (head("") + b" " + CANARY.encode(), "not JSON"),
    "two messages": (head("") + head(""), "not JSON"),
    "two lines": (head("") + b"\n" + head(""), "not JSON"),
    "a NUL behind": (head("") + b"\0", "not JSON"),
    "a trailing comma": (params("[1,]"), "not JSON"),
    "a comment": (params("[/* x */]"), "not JSON"),
    "single quotes": (params("['x']"), "not JSON"),
    "NaN": (params("[NaN]"), "not JSON"),
    "Infinity": (params("[-Infinity]"), "not JSON"),
    "hexadecimal": (params("[0x1]"), "not JSON"),
    "a leading zero": (params("[01]"), "not JSON"),
    "a bare control character": (params('["\x01"]'), "not JSON"),
    "a bare newline in a string": (params('["\n"]'), "not JSON"),
    "a bad escape": (params('["\\x41"]'), "not JSON"),
    "a lone surrogate": (params('["\\ud800"]'), "not JSON"),
    "surrogates the wrong way round": (params('["\\udc00\\ud800"]'), "not JSON"),
    "a lone surrogate as a name": (params('{"\\udfff":1}'), "not JSON"),
    "a vertical tab": (b"\x0b" + head(""), "not JSON"),
    "an empty array": (b" []", "an empty batch"),
    "a batch with an array": (
        b"[" + head("") + b",[]]",
        "a batch with a part that is no message",
    ),
    "a batch with an object that is no message": (
        b"[" + head("") + b",{}]",
        "a batch with a part that is no message",
    ),
    "a batch with a request of id null": (
        b"[" + head(',"id":null') + b"]",
        "a batch with a part that is no message",
    ),
    "a batch with a name twice": (
        b"[" + head(',"params":{"a":1,"a":2}') + b"]",
        "a name is used twice in one object",
    ),
    "a batch that is cut off": (b"[" + head(""), "not JSON"),
    "a batch that is too deep": (
        b"[" + nested(MAX_DEPTH) + b"]",
        f"nested deeper than {MAX_DEPTH}",
    ),
    "a string": (f'"{CANARY}"'.encode(), "not a JSON object"),
    "a number": (b"5", "not a JSON object"),
    "a boolean": (b"true", "not a JSON object"),
    "null": (b" null", "not a JSON object"),
    "an empty object": (b"{}", "not JSON-RPC 2.0"),
    "another version": (head("").replace(b"2.0", b"1.0"), "not JSON-RPC 2.0"),
    "a version that is a number": (head("").replace(b'"2.0"', b"2.0"), "not JSON-RPC 2.0"),
    "a method that is no string": (b'{"jsonrpc":"2.0","method":5,"id":1}', "not JSON-RPC 2.0"),
    "a method that is null": (b'{"jsonrpc":"2.0","method":null,"result":1}', "not JSON-RPC 2.0"),
    "an id that is a boolean": (head(',"id":true'), "not JSON-RPC 2.0"),
    "an id that is an object": (head(',"id":{}'), "not JSON-RPC 2.0"),
    "an id that is an array": (head(',"id":[1]'), "not JSON-RPC 2.0"),
    "an id of a million digits": (head(',"id":' + "1" * 1_000_000), "not JSON-RPC 2.0"),
    "an id that is a fraction": (head(',"id":1.5'), "an id is a string or an integer"),
    "an id like 1.0": (head(',"id":1.0'), "an id is a string or an integer"),
    "an id like 1e2": (head(',"id":1e2'), "an id is a string or an integer"),
    "a request with the id null": (head(',"id":null'), "a request's id is not null"),
    "a method and a result": (head(',"id":1,"result":1'), "both a request and a response"),
    "a method and an error": (head(',"id":1,"error":{}'), "both a request and a response"),
    "a result and an error": (
        b'{"jsonrpc":"2.0","id":1,"result":1,"error":{}}',
        "neither a request nor a response",
    ),
    "nothing but an id": (b'{"jsonrpc":"2.0","id":1}', "neither a request nor a response"),
    "a result without an id": (b'{"jsonrpc":"2.0","result":1}', "a response without an id"),
    "a result with the id null": (
        b'{"jsonrpc":"2.0","result":1,"id":null}',
        "a response without an id",
    ),
    "a name twice at the top": (head(',"method":"b"'), "a name is used twice in one object"),
    "a name twice, the same value": (
        head(',"jsonrpc":"2.0"'),
        "a name is used twice in one object",
    ),
    "a name twice deep inside": (
        params('[{"a":[{"b":1,"c":2,"b":3}]}]'),
        "a name is used twice in one object",
    ),
    "a name twice by an escape": (
        params('{"a":1,"\\u0061":2}'),
        "a name is used twice in one object",
    ),
    "an empty name twice": (params('{"":1,"":1}'), "a name is used twice in one object"),
    "too deep": (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
    "too deep in objects": (
        nested(MAX_DEPTH + 1, '{"a":[', "]}"),
        f"nested deeper than {MAX_DEPTH}",
    ),
    "brackets without end": (b"[" * 5_000_000, f"nested deeper than {MAX_DEPTH}"),
    "braces without end": (
        head(',"params":') + b"{" * 1_000_000,
        f"nested deeper than {MAX_DEPTH}",
    ),
    "closing brackets": (b"]" * 5_000_000, "not JSON"),
    "brackets the wrong way round": (b"][" * 1_000_000, "not JSON"),
    "brackets that cross": (params("[{" * 200 + "]}" * 200), f"nested deeper than {MAX_DEPTH}"),
    "an unfinished string of brackets": (head(',"a":"' + "[" * 300)[:-1], ""),
}


@pytest.mark.parametrize("what", ODD)
def test_it_is_kept_with_its_reason(what: str) -> None:
    """Byte for byte, of kind `odd`, with what it is instead; it has no method and no id."""
    message, reason = ODD[what]
    kept = MessageEnvelope.of("a", message, direction="client-to-server")
    assert kept.message == message
    assert (kept.kind, kept.method, kept.request_id, kept.heads()) == ("odd", None, None, ())
    assert kept.oddity is not None
    assert kept.oddity == (reason or kept.oddity)
    assert CANARY not in repr(kept) + kept.oddity
    try:
        message.decode()
    except UnicodeDecodeError:
        assert kept.media_type == "application/octet-stream"
    else:
        plain = "text/plain; charset=utf-8"
        assert kept.media_type == (plain if kept.oddity == "not JSON" else "application/json")


@pytest.mark.parametrize("what", ODD)
def test_it_is_refused_with_its_reason(what: str, silent: Callable[[BaseException], bool]) -> None:
    """`InvalidMessage.reason`, which never quotes the message, where a message is demanded."""
    message, reason = ODD[what]
    with pytest.raises(InvalidMessage) as refused:
        MessageEnvelope.of("a", message, direction="client-to-server", strict=True)
    if reason:
        assert refused.value.reason == reason
        assert str(refused.value) == f"invalid message: {reason}"
    assert silent(refused.value)
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(InvalidMessage) as again:
        MessageEnvelope.of("a", text, direction="client-to-server", strict=True)
    assert again.value.reason == refused.value.reason
    with pytest.raises(InvalidMessage):  # the constructor demands one, unless it is told why not
        MessageEnvelope(message=message, context=CONTEXT)
    told = MessageEnvelope(message=message, context=CONTEXT, oddity="seen elsewhere")
    assert (told.message, told.oddity, told.kind) == (message, "seen elsewhere", "odd")


def test_text_that_cannot_be_bytes_is_no_message() -> None:
    """A lone surrogate in a `str`."""
    with pytest.raises(InvalidMessage) as refused:
        MessageEnvelope.of("a", params('["x"]').decode() + "\ud800", direction="client-to-server")
    assert refused.value.reason == "not UTF-8"


WELL: dict[str, bytes] = {
    "the deepest": nested(MAX_DEPTH),
    "the deepest in objects": params('{"a":' * (MAX_DEPTH - 1) + "1" + "}" * (MAX_DEPTH - 1)),
    "many brackets side by side": params("[" + ",".join(["[{}]"] * 10_000) + "]"),
    "brackets in strings": params('["' + "[{" * 1000 + '\\"' + "[" * 500 + '\\\\"]'),
    "brackets in a name": params('{"' + "[" * 500 + '":1}'),
    "a number of a million digits": params("1" * 1_000_000),
    "a number out of range": params("[1e999, -1e-999]"),
    "an escaped surrogate pair": params('["\\ud83d\\ude00"]'),
    "an escaped NUL": params('["\\u0000"]'),
    "an error without an id": b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}',
    "a batch": b" [" + head("") + b',{"jsonrpc":"2.0","id":1,"result":{}}]',
    "the same name in two objects": params('[{"a":1},{"a":{"a":1}}]'),
    "members nobody knows": head(',"x":1,"_meta":{}'),
    "parameters that are no structure": params("5"),
    "parameters that are null": params("null"),
}


@pytest.mark.parametrize("what", WELL)
def test_unusual_but_valid_messages_are_kept(what: str) -> None:
    """At the limit, and where JSON or a recorder has no objection, the bytes are kept."""
    message = WELL[what]
    kept = MessageEnvelope.of("a", message, direction="client-to-server", strict=True)
    assert (kept.message, kept.media_type, kept.oddity) == (message, "application/json", None)


def test_more_than_any_frame_may_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, and whatever is said of it; exactly as much is kept."""
    for module in jsonrpc, oddities, sessionkeeper.values.message:
        monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 1000)
    for message in head("").ljust(1000), b"x" * 1000:
        assert MessageEnvelope.of("a", message, direction="client-to-server").message == message
        larger = message + b" "
        with pytest.raises(InvalidMessage, match="larger than 1000 bytes"):
            MessageEnvelope.of("a", larger, direction="client-to-server")
        with pytest.raises(InvalidMessage, match="larger than 1000 bytes"):
            MessageEnvelope(message=larger, context=CONTEXT, oddity="said so")


@pytest.mark.parametrize("levels", [1, 2, 3, 10, 127, 128])
def test_depth_is_counted_exactly(levels: int) -> None:
    """One level more is one too many, whatever fills the levels."""
    for message in (
        nested(levels) if levels > 1 else head(""),
        params('{"a":' * (levels - 1) + "1" + "}" * (levels - 1)) if levels > 1 else head(""),
        params("[" + "[]," * 300 + "[" * (levels - 2) + "]" * (levels - 2) + "]")
        if levels > 2
        else head(""),
    ):
        assert not nests_deeper(message, levels)
        validate_message(message)
        assert read_heads(message)[0].method == CANARY
    if levels > 1:
        assert nests_deeper(nested(levels), levels - 1)
        assert nests_deeper(head(',"params":' + "[" * levels)[:-1], levels)
