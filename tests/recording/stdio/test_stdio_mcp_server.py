"""A real MCP server behind a proxy notices nothing of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from sessionkeeper.values.states import Direction

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig


async def test_a_conversation_with_mcp_server_time_is_recorded_whole(rig: Rig) -> None:
    """Initialize, initialized, a call; then the client leaves in order."""
    requests = [
        rig.request(
            0,
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "test", "version": "1"},
        ),
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
        rig.request("a", "tools/call", name="get_current_time", arguments={"timezone": "UTC"}),
    ]
    running = rig.run(rig.proxy([sys.executable, "-m", "mcp_server_time"]))
    await rig.send(requests[0])
    initialized = await rig.line()
    await rig.send(requests[1] + requests[2])
    called = await rig.line()
    rig.hang_up()

    assert "mcp-time" in json.loads(initialized)["result"]["serverInfo"]["name"]
    assert "UTC" in json.loads(called)["result"]["content"][0]["text"]
    report = await running
    assert report.completed
    assert rig.notes.sent(Direction.CLIENT_TO_SERVER) == [line[:-1] for line in requests]
    assert rig.notes.sent(Direction.SERVER_TO_CLIENT) == [initialized[:-1], called[:-1]]
    assert rig.troubles == []
