"""What is found by its form, and what is not mistaken for it."""

from __future__ import annotations

import json

import pytest
from planted_secrets import KEYS, PASSWORDS, TOKENS, fake
from sessionkeeper.recording.redaction import PRESETS, Redactor, find_secrets

_ALL = {**TOKENS, **KEYS, **PASSWORDS}
_BARE = {
    "bearer": fake(24),
    "basic": "YWRtaW46aHVudGVyMg==",
    "url-password": "hunter2secret",
    "password": "hunter2secret",
    "secret": fake(32),
}
"""The part of a form that is the secret, if not all of it."""


def _redact(message: bytes, *rules: str) -> bytes:
    return Redactor.of(rules).redact(message, "client-to-server").message


def _ways_to_write(text: str) -> list[bytes]:
    inner = json.dumps({"deep": text})
    escaped = "".join(f"\\u{ord(each):04x}" for each in text)
    half = "".join(each if at % 2 else f"\\u{ord(each):04X}" for at, each in enumerate(text))
    return [
        json.dumps({"text": f"see {text} there"}).encode(),
        json.dumps({"text": inner}).encode(),
        json.dumps({"text": json.dumps({"deeper": inner})}).encode(),
        json.dumps({"text": text}).replace("/", "\\/").encode(),
        f'{{"text": "{escaped}"}}'.encode(),
        f'{{"text": "{half}"}}'.encode(),
        json.dumps({"text": f'{{"deep": "{escaped}"}}'}).encode(),
        text.replace("\n", "\\n").encode() + b" \xff\xfe no JSON",
        b'["' + text.replace("\n", "\\n").encode(),
    ]


@pytest.mark.parametrize("kind", _ALL)
def test_no_form_of_a_secret_survives_however_it_is_written(kind: str) -> None:
    secret = _BARE.get(kind, _ALL[kind])
    for message in _ways_to_write(_ALL[kind]):
        redacted = _redact(message, "secrets")
        assert f"[redacted:{kind}]".encode() in redacted, message
        for written in (redacted, redacted.replace(b"\\/", b"/")):
            assert secret.encode() not in written
        if message.startswith(b"{"):
            shown = json.dumps(json.loads(redacted), ensure_ascii=False)
            while "\\" in shown:
                shown = shown.replace("\\\\", "\\").encode().decode("unicode_escape")
            assert secret not in shown
            assert "redacted" in shown
        assert kind in {found.kind for found in find_secrets(message)}
        assert not find_secrets(redacted)


@pytest.mark.parametrize("preset", ["tokens", "keys", "passwords"])
def test_a_preset_takes_out_its_own(preset: str) -> None:
    own = {"tokens": TOKENS, "keys": KEYS, "passwords": PASSWORDS}[preset]
    for kind, text in own.items():
        assert f"[redacted:{kind}]".encode() in _redact(text.encode(), preset)
        others = [each for each in PRESETS if each not in (preset, "secrets", "emails")]
        assert f"[redacted:{kind}]".encode() not in _redact(text.encode(), *others)


@pytest.mark.parametrize(
    "harmless",
    [
        "a risk-averse task-runner desk-lamp sk-learn-estimator-documentation-link",
        "the token is opaque; the secret: a good night's sleep; password: required",
        "Bearer authentication and basic authentication are described in RFC 7617",
        '{"max_tokens": 4096, "nextPageToken": "CAUQAA4f9c8e7d6b5a4321"}',
        '{"usage": {"prompt_tokens": 1234567, "total_tokens": 7654321}}',
        "https://example.com:8080/path@2x.png https://user@example.com/",
        "api_key=$API_KEY token=${TOKEN} password={password} secret=os.environ",
        "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END CERTIFICATE-----",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bd822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "postgres://user:{password}@host/ and redis://user:***@host/",
    ],
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    for message in (harmless.encode(), json.dumps({"text": harmless}).encode()):
        assert _redact(message, "tokens", "keys", "passwords") == message


def test_base64_is_not_mistaken_for_keys() -> None:
    blob = json.dumps({"blob": fake(100_000, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789-_")}).encode()  # fmt: skip
    assert _redact(blob, "secrets") == blob


def test_addresses_of_mail_are_a_preset_of_their_own() -> None:
    message = b'{"to": "ada.l+x@mail.example.org", "at": "npm@5 user@host"}'
    assert _redact(message, "secrets") == message
    assert _redact(message, "emails") == b'{"to": "[redacted:email]", "at": "npm@5 user@host"}'


def test_two_secrets_in_names_of_one_object_stay_two_names() -> None:
    one, two = f"ghp_{fake(36)}", f"ghp_{fake(37)}"
    redacted = _redact(json.dumps({one: 1, two: 2, "n": 3}).encode(), "tokens")
    assert json.loads(redacted) == {
        "[redacted:github-token]": 1,
        "[redacted:github-token:2]": 2,
        "n": 3,
    }
