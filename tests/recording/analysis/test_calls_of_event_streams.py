"""The calls of a session that an MCP server keeps itself: its events are frames of streams."""

from __future__ import annotations

import pytest
from mcp.server.streamable_http import GET_STREAM_KEY
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCResponse
from sessionkeeper import ActorSessionStore, MessageEnvelope
from sessionkeeper.integrations.mcp import SessionEventStore
from sessionkeeper.recording import Call, CallFilter, CallOutcome, calls


@pytest.mark.parametrize("errors", [False, True])
async def test_events_and_markers_are_paired(errors: bool) -> None:
    """Answers are paired, an error is found, and a marker without a message hides nothing."""
    async with await ActorSessionStore().open() as store:
        events = SessionEventStore(store, "s")
        progress = JSONRPCNotification(
            jsonrpc="2.0",
            method="notifications/progress",
            params={"progressToken": "t", "progress": 1},
        )
        await events.store_event("1", None)
        for number in (1, 2, 3):
            asked = {
                "jsonrpc": "2.0",
                "id": number,
                "method": "tools/call",
                "params": {"name": f"tool-{number}", "_meta": {"progressToken": "t"}},
            }
            await store.add_frame(MessageEnvelope.of("s", asked, direction="client-to-server"))
            await events.store_event(f"{number}", progress)
            await events.store_event(f"{number}", None)
            await events.store_event(GET_STREAM_KEY, progress)
        failure = ErrorData(code=-32602, message="no")
        await events.store_event("2", JSONRPCError(jsonrpc="2.0", id=2, error=failure))
        await events.store_event("1", JSONRPCResponse(jsonrpc="2.0", id=1, result={}))
        found = [call async for call in calls(store, "s", filter=CallFilter(errors=errors))]
    failed = [("tool-2", CallOutcome.ERROR, 2)]
    others = [("tool-1", CallOutcome.RESULT, 2), ("tool-3", CallOutcome.OPEN, 2)]
    assert [facts(call) for call in found] == failed + ([] if errors else others)


def facts(call: Call) -> tuple[str | None, CallOutcome, int]:
    return call.name, call.outcome, call.progress
