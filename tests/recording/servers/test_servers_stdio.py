"""The official clients and public servers over stdio: every byte is stored, none is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.recording.servers.plans import SERVERS, filled
from tests.recording.servers.stdio_run import StdioRun

Client = tuple[str, ...]


async def test_a_conversation_with_the_time_server_is_stored_as_both_witnesses_saw_it(
    python_client: Client, tmp_path: Path
) -> None:
    """The official Python client and a public server, through `sessionkeeper record`."""
    run, said = await StdioRun.hold(python_client, SERVERS["time"](tmp_path), tmp_path)
    assert run.faults() == []
    assert "convert_time" in said["steps"][0]
    assert run.session.failure is None


async def test_one_changed_byte_at_any_witness_or_in_the_store_is_found(
    python_client: Client, tmp_path: Path
) -> None:
    """The comparison can fail, and it does for each of the four files and for a frame."""
    run, _ = await StdioRun.hold(python_client, SERVERS["time"](tmp_path), tmp_path)
    for name in ("client-sent", "client-received", "server-in", "server-out"):
        file = tmp_path / name
        seen = file.read_bytes()
        middle = len(seen) // 2
        file.write_bytes(seen[:middle] + bytes([seen[middle] ^ 1]) + seen[middle + 1 :])
        assert run.faults(), name
        file.write_bytes(seen)
    assert run.faults() == []
    assert replace(run, frames=run.frames[:-1]).faults()
    other = run.frames[0].model_copy(update={"message": run.frames[0].message + b" "})
    assert replace(run, frames=[other, *run.frames[1:]]).faults()


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
async def test_every_byte_between_official_clients_and_public_servers_is_stored(
    client: Client, tmp_path: Path, name: str, page: str
) -> None:
    """With sampling, elicitation, roots, progress, cancellation, and messages of 10 MB."""
    server = filled(SERVERS[name](tmp_path), page=page)
    run, said = await StdioRun.hold(client, server, tmp_path)
    assert run.faults() == []
    assert set(said["asked"]) >= server.asked
    assert ("notifications/cancelled" in run.methods()) is server.is_cancelled
    assert run.session.odd_frames == 0
