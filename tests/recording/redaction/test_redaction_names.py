"""Members with telling names, JSON paths and functions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sessionkeeper.recording.redaction import InvalidRule, RedactionFailed, Redactor


def _redact(message: bytes, *rules: str) -> bytes:
    return Redactor.of(rules).redact(message, "client-to-server").message


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "API-KEY", "ApiKey", "api key", "\\u0061piKey"]
)
def test_a_name_is_found_in_any_case(name: str) -> None:
    message = f'{{"a": 1e2, "{name}" :\t"x\\"y\\\\", "b":[ ]}}'.encode()
    after = f'{{"a": 1e2, "{name}" :\t"[redacted:api_key]", "b":[ ]}}'.encode()
    assert _redact(message, "name:api_key") == after


def test_a_name_of_other_letters_is_found_escaped_too() -> None:
    message = json.dumps({"пароль": "x", "Straße": "y"}).encode()
    found = json.loads(_redact(message, "name:пароль", "name:STRASSE"))
    assert "x" not in found.values()
    assert "y" not in found.values()


@pytest.mark.parametrize(
    ("value", "after"),
    [
        (b'"hunter2"', b'"[redacted:password]"'),
        (b"12345", b'"[redacted:password]"'),
        (b"-1.5e+10", b'"[redacted:password]"'),
        (b'{"a":["}",{"b":"\\"]"}]}', b'"[redacted:password]"'),
        (b'[ "a", "b" ]', b'"[redacted:password]"'),
        (b"null", b"null"),
        (b"true", b"true"),
        (b'""', b'""'),
        (b"{}", b"{}"),
        (b'"[redacted:password]"', b'"[redacted:password]"'),
        (b'{"type":"string","minLength":8}', b'{"type":"string","minLength":8}'),
    ],
)
def test_the_whole_value_is_replaced_and_nothing_else(value: bytes, after: bytes) -> None:
    message = b'{"x" : 1e2 ,"password": %b, "y":"\\u00e9"}'
    assert _redact(message % value, "passwords") == message % after
    inner = json.dumps((message % value).decode()).encode()
    assert _redact(inner, "passwords") == json.dumps((message % after).decode()).encode()


def test_a_schema_beside_a_secret_does_not_protect_it() -> None:
    message = b'{"credentials":{"user":"u"},"schema":{"type":"object"}}'
    assert b'"u"' not in _redact(message, "passwords")


def test_a_value_that_is_cut_off_is_taken_out_to_its_end() -> None:
    assert _redact(b'{"password": "hunter2 and mo', "passwords") == (
        b'{"password": "[redacted:password]'
    )
    assert b"hunter" not in _redact(b'{"password": {"x": "hunter2', "passwords")
    assert _redact(b'{"a": "{\\"password\\": \\"hunter2", "b": 1}', "passwords") == (
        b'{"a": "{\\"password\\": \\"[redacted:password]", "b": 1}'
    )


def test_what_pairs_messages_stays() -> None:
    message = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": "ghp_" + "a1" * 18,
            "method": "tools/call",
            "params": {
                "_meta": {"progressToken": "ghp_" + "b1" * 18},
                "requestId": "abc",
                "arguments": {"id": "abc", "progressToken": "abc"},
            },
        }
    ).encode()
    rules = ("secrets", "name:id", "name:progressToken", "name:requestId", "$.id", "$.method")
    for sent, wrap in ((message, dict), (b"[%b, %b]" % (message, message), list)):
        redacted = json.loads(_redact(sent, *rules))
        assert type(redacted) is wrap
        for each in redacted if isinstance(redacted, list) else [redacted]:
            before = json.loads(message)
            before["params"]["arguments"] = {
                "id": "[redacted:id]",
                "progressToken": "[redacted:progressToken]",
            }
            assert each == before
    # Also what only a lenient reader takes for a message.
    odd = b'\xef\xbb\xbf{"id": "ghp_%b", "x": NaN, "token": "t"}' % (b"a1" * 18)
    assert _redact(odd, "secrets") == odd.replace(b'"t"', b'"[redacted:token]"')


def test_nothing_hides_in_an_id_that_is_none() -> None:
    assert b"hunter2" not in _redact(b'{"id": {"password": "hunter2"}}', "passwords")


_ARGUMENTS = '{"key": "a", "n": [1, {"key": "b"}], "k\\"y": 1}'
_OUT = '"[redacted:path]"'


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("$.params.arguments.key", f'{{"key": {_OUT}, "n": [1, {{"key": "b"}}], "k\\"y": 1}}'),
        ("$..key", f'{{"key": {_OUT}, "n": [1, {{"key": {_OUT}}}], "k\\"y": 1}}'),
        ("$.params.arguments.n", f'{{"key": "a", "n": {_OUT}, "k\\"y": 1}}'),
        ("$..n[0]", f'{{"key": "a", "n": [{_OUT}, {{"key": "b"}}], "k\\"y": 1}}'),
        ("$..n[?@.key == 'b']", f'{{"key": "a", "n": [1, {_OUT}], "k\\"y": 1}}'),
        ("$..['k\"y']", f'{{"key": "a", "n": [1, {{"key": "b"}}], "k\\"y": {_OUT}}}'),
        ("$.params.nothing", _ARGUMENTS),
    ],
)
def test_a_path_takes_out_its_values(path: str, after: str) -> None:
    text = '{"params":{"arguments":%s},"id":1e0}'
    message = (text % _ARGUMENTS).encode()
    assert _redact(message, path) == (text % after).encode()
    batch = b" [%b,\n%b]" % (message, message)
    assert _redact(batch, path) == b" [%b,\n%b]" % (((text % after).encode(),) * 2)


def test_a_path_finds_every_use_of_a_repeated_name() -> None:
    redacted = _redact(b'{"a": "one", "a": "two", "b": NaN}', "$.a")
    assert redacted == b'{"a": "[redacted:path]", "a": "[redacted:path]", "b": NaN}'


def test_a_message_too_deep_for_paths_is_not_passed() -> None:
    deep = b'{"a":' * 200 + b"1" + b"}" * 200
    with pytest.raises(RedactionFailed):
        Redactor.of(["$..a"]).redact(deep, "client-to-server")


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_redaction.py").write_text(
        "import sys\n"
        "seen = []\n"
        "def mask(message, direction):\n"
        "    seen.append((message, direction))\n"
        "    return message.replace(b'blue', b'****')\n"
        "def fail(message, direction): raise ValueError(message)\n"
        "def leave(message, direction): sys.exit(3)\n"
        "def text(message, direction): return 'text'\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_redaction", raising=False)
    return "own_redaction"


def test_a_function_gets_what_the_other_rules_left(own_module: str) -> None:
    redactor = Redactor.of([f"{own_module}:mask", "name:token"])
    redacted = redactor.redact(b'{"token": "t", "sky": "blue"}', "client-to-server")
    assert redacted.message == b'{"token": "[redacted:token]", "sky": "****"}'
    assert redacted.places == {"token": 1, "own_redaction:mask": 1}
    seen = sys.modules[own_module].seen
    assert seen == [(b'{"token": "[redacted:token]", "sky": "blue"}', "client-to-server")]
    assert type(seen[0][1]) is str
    untouched = redactor.redact(b"{}", "server-to-client")
    assert untouched == (b"{}", {})


@pytest.mark.parametrize("name", ["fail", "leave", "text"])
def test_a_function_that_fails_quotes_nothing(own_module: str, name: str) -> None:
    with pytest.raises(RedactionFailed) as failed:
        Redactor.of([f"{own_module}:{name}"]).redact(b"a secret", "client-to-server")
    assert "a secret" not in repr(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("tokns", "did you mean tokens?; give a preset (secrets, tokens, keys, passwords, emails)"),
        ("", "unknown rule ''; give a preset"),
        ("name:", "names no member"),
        ("$.a[", "is no JSON path (RFC 9535)"),
        ("$" + ".a" * 5000 + "[", "is no JSON path"),
        ("no_such_module:mask", "there is no module no_such_module; its folder must be in PYTHON"),
        ("json:no_such", "json has no no_such"),
        ("json:__doc__", "is no function"),
    ],
)
def test_a_wrong_rule_is_told_in_one_line(rule: str, why: str) -> None:
    with pytest.raises(InvalidRule) as wrong:
        Redactor.of([rule])
    assert why in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_module_that_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_redaction.py").write_text("raise RuntimeError('no luck')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidRule, match="RuntimeError: no luck"):
        Redactor.of(["broken_redaction:mask"])
