"""The official clients and public servers over HTTP: every byte is stored, none is changed."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.recording.servers.http_run import HttpRun
from tests.recording.servers.packages import node, node_modules
from tests.recording.servers.plans import SERVERS, PublicServer, filled

LARGEST_REQUEST = 4_000_000
"""Bytes that servers on HTTP take; the answers are larger."""
Client = tuple[str, ...]


def served(server: PublicServer) -> tuple[str, ...]:
    """The command that serves it on `{port}`: by itself, or behind a gateway from stdio."""
    if server.url_command is not None:
        return server.url_command
    gateway = str(node_modules() / "supergateway/dist/index.js")
    return (
        *(node(), gateway, "--stdio", shlex.join(server.command), "--stateful"),
        *("--outputTransport", "streamableHttp", "--port", "{port}", "--logLevel", "none"),
    )


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
async def test_every_byte_between_official_clients_and_public_servers_is_stored(
    client: Client, tmp_path: Path, name: str, page: str
) -> None:
    """With sampling, elicitation, roots, progress, cancellation, and messages of 10 MB."""
    server = filled(SERVERS[name](tmp_path), page=page)
    steps = [step for step in server.steps if len(json.dumps(step)) < LARGEST_REQUEST]
    server = replace(server, steps=steps)
    run, said = await HttpRun.hold(client, server, served(server), tmp_path)
    assert run.faults() == []
    assert set(said["asked"]) >= server.asked
    assert ("notifications/cancelled" in run.methods()) is server.is_cancelled
