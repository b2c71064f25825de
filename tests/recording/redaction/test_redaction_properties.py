"""What holds for every message."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from planted_secrets import KEYS, PASSWORDS, TOKENS, fake
from sessionkeeper.recording.redaction import Redactor, find_secrets

_REDACTOR = Redactor.of(["secrets", "emails", "name:colour", "$..key"])
_SEARCHED = Redactor.of(["secrets"])
_SECRETS = sorted({**TOKENS, **KEYS, **PASSWORDS}.items())
_PIECES = st.sampled_from(
    [
        *(text.encode() for _, text in _SECRETS),
        *(
            b"\\",
            b'"',
            b'\\"',
            b"\\\\",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b" ",
            b"=",
            b"@",
            b"://",
        ),
        *(
            b'"password"',
            b'\\"token\\"',
            b'"colour":',
            b"\\u0022",
            b"\\u0041",
            b"\\/",
            b"\\\\u0070",
        ),
        *(b"-----BEGIN PRIVATE KEY-----", b"-----", b"eyJ", b".", b"Bearer ", b"Basic ", b"sk-"),
        *(
            b"[redacted:token]",
            b"AIza",
            b"key",
            b"\xff",
            b"\xc3\xa9",
            b"x",
            b"1",
            b"\n",
            b"api_key=",
        ),
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(_PIECES, max_size=30).map(b"".join) | st.binary(max_size=200))
def test_to_redact_twice_changes_nothing(message: bytes) -> None:
    once = _REDACTOR.redact(message, "client-to-server")
    again = _REDACTOR.redact(once.message, "client-to-server")
    assert again.message == once.message
    assert not again.places
    assert (once.message is message) == (not once.places)


@given(_JSON, st.booleans())
def test_without_a_secret_nothing_changes(value: Any, ascii_only: bool) -> None:
    message = json.dumps({"kept": value}, ensure_ascii=ascii_only).encode(errors="replace")
    assert Redactor.of(["tokens", "keys"]).redact(message, "x").message == message


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else type(value)


@given(st.data(), _JSON, st.sampled_from(_SECRETS), st.integers(0, 2**32))
def test_a_planted_secret_never_survives(
    data: st.DataObject, value: Any, planted: tuple[str, str], seed: int
) -> None:
    kind, text = planted
    drawn = random.Random(seed)

    def write(value: str, *, escaped: bool) -> str:
        if not escaped:
            return json.dumps(value)
        return "".join(
            f"\\u{ord(each):04x}" if drawn.random() < 0.3 else json.dumps(each)[1:-1]
            for each in value
        ).join('""')

    depth = data.draw(st.integers(0, 3))
    escaped = data.draw(st.integers(0, depth))
    inner = write(text, escaped=escaped == 0)
    for level in range(1, depth + 1):
        inner = write(f'{{"in": {inner}}}', escaped=level == escaped)
    rest = json.dumps(value)
    message = f'{{"before": {rest}, "here": [{inner}, 1e2], "after": {rest}}}'.encode()
    redacted = _SEARCHED.redact(message, "client-to-server")
    assert redacted.places[kind] >= 1
    assert not [found for found in find_secrets(redacted.message) if found.kind == kind]
    before, after = json.loads(message), json.loads(redacted.message)
    assert _shape(after["here"]) == _shape(before["here"])
    here = after["here"][0]
    while True:
        try:
            here = json.loads(here)["in"]
        except (ValueError, TypeError):
            break
    assert "[redacted:" in here
    assert text not in here


@given(st.sampled_from(["password", "Token", "API_KEY", "authorization"]), _JSON)
def test_a_value_of_a_telling_name_never_survives(name: str, value: Any) -> None:
    mark = fake(9)
    message = json.dumps({"a": value, name: {"deep": [value, mark]}, "z": 1}).encode()
    redacted = _REDACTOR.redact(message, "client-to-server").message
    assert mark.encode() not in redacted
    assert list(json.loads(redacted)) == list(json.loads(message))
