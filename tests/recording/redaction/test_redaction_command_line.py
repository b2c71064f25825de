"""The command line of a server, as it is stored."""

from __future__ import annotations

import pytest
from planted_secrets import KEYS, TOKENS
from sessionkeeper.recording.redaction import redact_command

_SECRET = "hunter2"


@pytest.mark.parametrize(
    "command",
    [
        ["server", "--token", _SECRET],
        ["server", "--token", f"-{_SECRET}"],
        ["server", f"--api-key={_SECRET}"],
        ["server", f"--apiKey={_SECRET}"],
        ["env", f"GITHUB_TOKEN={_SECRET}", "server"],
        ["npx", "mcp-remote", "https://h/mcp", "--header", f"Authorization: Bearer {_SECRET}"],
        ["npx", "mcp-remote", "https://h/mcp", "--header", f"X-Api-Key:{_SECRET}"],
        ["server", f"postgres://user:{_SECRET}@host/db"],
        ["server", f"https://host/mcp?a=b&exaApiKey={_SECRET}&c=d"],
        ["docker", "run", "-e", f"DB_PASSWORD={_SECRET}", "image"],
        ["sh", "-c", f"FOO_SECRET='{_SECRET} x' exec server --password {_SECRET}"],
        ["server", f'{{"apiKey": "{_SECRET}", "x": 1}}'],
        ["server", f"--config.auth.token={_SECRET}"],
        ["server", "--dsn", f"user/{_SECRET}"],
    ],
)
def test_a_secret_of_a_command_is_not_stored(command: list[str]) -> None:
    redacted = redact_command(command)
    assert _SECRET not in "\n".join(redacted)
    assert len(redacted) == len(command)
    assert redacted[0] == command[0]
    assert redact_command(redacted) == redacted


@pytest.mark.parametrize("kind", [*TOKENS, *KEYS])
def test_known_forms_are_found_in_any_word(kind: str) -> None:
    text = {**TOKENS, **KEYS}[kind]
    assert redact_command(["server", f"x {text}"])[1].startswith("x ")
    assert text.split()[-1] not in redact_command(["server", f"x {text}"])[1]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "mcp_server_time", "--local-timezone", "UTC"],
        ["npx", "-y", "@modelcontextprotocol/server-filesystem", "/home/me/tokens"],
        ["server", "--max-tokens", "100", "--no-auth", "file.txt", "--key-file=/etc/k.pem"],
        ["server", "http://127.0.0.1:8080/path", "C:\\Users\\me", "a=b"],
        [],
    ],
)
def test_other_commands_stay(command: list[str]) -> None:
    assert redact_command(command) == tuple(command)
