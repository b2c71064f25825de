"""Hostile messages: work that grows with the square of their size would never end here."""

from __future__ import annotations

import pytest
from sessionkeeper.recording.redaction import Redactor, find_secrets

_SIZE = 300_000
_HOSTILE = (
    *(
        b"\\",
        b'"',
        b'\\"',
        b"\\u0041",
        b"\\\\u0022",
        b"\\n",
        b'"\\\\\\n',
        b'","',
        b"{",
        b"[",
        b"{]",
    ),
    *(b'"password":{', b'\\"password\\":\\"', b'{"password":{"type":"string",', b'"password" '),
    *(b'"a":', b'"token":"', b"token=", b"password=\\", b"api_key", b"bearer ", b"://a:", b"://:@"),
    *(b"eyJ-", b"eyJaaaaaaaa.", b"SG.", b"sk-", b"ghp_", b"a@", b"-----BEGIN "),
    b"-----BEGIN PRIVATE KEY-----",
)


@pytest.mark.parametrize("piece", _HOSTILE, ids=repr)
@pytest.mark.parametrize("start", [b"", b'{"a":"', b'{"id":"'])
def test_time_is_linear_in_any_message(piece: bytes, start: bytes) -> None:
    message = start + piece * (_SIZE // len(piece))
    redacted = Redactor.of(["secrets", "emails", "name:a"]).redact(message, "client-to-server")
    assert len(redacted.message) <= 20 * len(message)
    assert len(find_secrets(message)) <= len(message)
