"""Calls as OpenTelemetry spans, with the names of the semantic conventions for MCP."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from sessionkeeper import ActorSessionStore, AtomicSessionStore, HttpDelivery, Session, SessionState
from sessionkeeper.recording.analysis.parties import CLIENT_KEY, SERVER_KEY
from sessionkeeper.recording.formats.otlp import as_json_line
from sessionkeeper.recording.formats.spans import spans

from tests.support.recorded_logs import DOWN, START, UP, RecordedLog
from tests.support.recordings import RecordedServer

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def spans_in(store: AtomicSessionStore, *sessions: str) -> list[ReadableSpan]:
    return [span async for span in spans(store, sessions or None)]


async def spans_of(log: RecordedLog, **fields: object) -> list[ReadableSpan]:
    async with ActorSessionStore() as store:
        await log.put_into(store, **fields)  # type: ignore[arg-type]
        return await spans_in(store)


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_a_call_of_a_real_server_is_a_span() -> None:
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as server:
            await server.greet()
            await server.call("get_current_time", timezone="UTC")
            await server.call("get_current_time", timezone="Nowhere")
        found = await spans_in(store)
        frames = await store.read_frames(server.session_id)
    initialize, good, bad, session, run = found
    assert [span.name for span in found] == [
        "initialize",
        *["tools/call get_current_time"] * 2,
        "session mcp-time",
        "run editor",
    ]
    assert good.kind is SpanKind.CLIENT
    known = attributes(good)
    asked, answered = (frames[seq - 1].envelope for seq in (4, 5))
    assert known == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "2025-06-18",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_current_time",
        "jsonrpc.request.id": "2",
        "network.transport": "pipe",
        "sessionkeeper.session": server.session_id[:8],
        "sessionkeeper.call.outcome": "result",
        "sessionkeeper.request.frame": 4,
        "sessionkeeper.request.size": len(asked.message),
        "sessionkeeper.response.frame": 5,
        "sessionkeeper.response.size": len(answered.message),
    }
    assert good.end_time is not None
    assert good.start_time is not None
    passed = answered.context.timestamp - asked.context.timestamp
    assert good.end_time - good.start_time == passed // timedelta(microseconds=1) * 1000
    assert attributes(bad)["error.type"] == "tool_error"
    assert bad.status.status_code is StatusCode.ERROR
    assert initialize.status.status_code is StatusCode.UNSET
    assert good.resource.attributes["service.name"] == "editor"
    assert session.parent == run.context
    assert all(span.parent == session.context for span in (initialize, good, bad))
    assert run.parent is None
    assert len({span.context.trace_id for span in found if span.context}) == 1


async def test_errors_have_their_type_and_code() -> None:
    """JSON-RPC errors, HTTP statuses, and calls without an answer; a cancelled one is no error."""
    log = RecordedLog()
    log.ask(1, "resources/read", uri="file:///a")
    log.fail(1, -32002, "no such file")
    log.ask("x", "prompts/get", name="greet")
    log.ask(3, "ping")
    log.notify("notifications/cancelled", of=UP, requestId=3)
    post = HttpDelivery(method="POST", path="/mcp")
    listing = b'{"jsonrpc":"2.0","id":4,"method":"tools/list"}'
    log.say(UP, listing, stream="POST-1", delivery=post)
    failed = HttpDelivery(method="POST", path="/mcp", status=503)
    log.say(DOWN, b"busy", stream="POST-1", delivery=failed)
    found = {span.name: span for span in await spans_of(log)}
    read = attributes(found["resources/read"])
    assert (read["error.type"], read["rpc.response.status_code"]) == ("-32002", "-32002")
    assert read["mcp.resource.uri"] == "file:///a"
    assert found["resources/read"].status.description == "no such file"
    listed = attributes(found["tools/list"])
    assert (listed["error.type"], listed["http.response.status_code"]) == ("503", 503)
    assert "rpc.response.status_code" not in listed
    greet = attributes(found["prompts/get greet"])
    assert (greet["error.type"], greet["gen_ai.prompt.name"]) == ("unanswered", "greet")
    assert greet["jsonrpc.request.id"] == "x"
    assert "error.type" not in attributes(found["ping"])
    assert attributes(found["ping"])["sessionkeeper.call.outcome"] == "cancelled"


async def test_a_call_of_the_server_is_a_span_of_the_server() -> None:
    """Its kind is CLIENT as well: it is told as by the side that made it."""
    log = RecordedLog()
    log.ask(1, "sampling/createMessage", of=DOWN)
    log.answer(1, of=DOWN)
    span, *_ = await spans_of(log)
    assert span.kind is SpanKind.CLIENT
    assert dict(span.resource.attributes) == {"service.name": "files", "service.version": "1"}


async def test_the_trace_of_the_client_is_linked() -> None:
    """By `_meta.traceparent`; one that is invalid is passed over."""
    log = RecordedLog()
    log.ask(1, "tools/call", name="a", _meta={"traceparent": PARENT, "tracestate": "a=1"})
    log.ask(2, "tools/call", name="b", _meta={"traceparent": "00-0-0-00"})
    log.ask(3, "tools/call", name="c", _meta={"traceparent": 7})
    for number in (3, 2, 1):
        log.answer(number)
    found = {span.name: span.links for span in await spans_of(log)}
    (link,) = found["tools/call a"]
    assert f"{link.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"{link.context.span_id:016x}" == "00f067aa0ba902b7"
    assert link.context.is_remote
    assert link.context.trace_state.get("a") == "1"
    assert not found["tools/call b"]
    assert not found["tools/call c"]


async def test_ids_are_the_same_in_every_export() -> None:
    """Of the store, or of one session of a run; no two spans have the same."""
    async with ActorSessionStore() as store:
        for name in "ab":
            log = RecordedLog(name)
            log.call(1, "t")
            log.call("1", "t")
            await log.put_into(store)
        once, again = await spans_in(store), await spans_in(store)
        one = await spans_in(store, "b")
    identities = [span.context for span in once]
    assert identities == [span.context for span in again]
    assert len({context.span_id for context in identities if context}) == len(once) == 7
    assert [span.context for span in one] == [*identities[3:6], identities[6]]


async def test_a_call_that_may_still_be_answered_is_left_out() -> None:
    log = RecordedLog()
    log.ask(1, "ping")
    found = await spans_of(log, state=SessionState.ACTIVE)
    assert [span.name for span in found] == ["session files", "run editor"]


async def test_a_session_over_http_has_its_address_and_no_secret() -> None:
    """The id of the session gives access to it: only a digest of it is exported."""
    session = Session.new(
        id="whole-id-of-the-session",
        transport_type="streamable-http",
        upstream_session_id="hunter2-hunter2",
        metadata={
            SERVER_KEY: {"url": "http://tools.example/mcp"},
            CLIENT_KEY: {"host": "desk", "pid": 7},
        },
    )
    async with ActorSessionStore() as store:
        await store.create_session(session)
        await store.modify_session(
            session.id,
            lambda each: each.model_copy(
                update={"state": SessionState.FAILED, "failure": "server crashed"}
            ),
        )
        found, run = await spans_in(store)
    known = attributes(found)
    assert (known["server.address"], known["server.port"]) == ("tools.example", 80)
    assert (known["network.transport"], known["network.protocol.name"]) == ("tcp", "http")
    assert len(str(known["mcp.session.id"])) == 32
    assert found.status.description == "server crashed"
    assert dict(run.resource.attributes) == {
        "service.name": "mcp client",
        "host.name": "desk",
        "process.pid": 7,
    }
    for span in (found, run):
        assert "hunter2" not in span.to_json()
        assert "whole-id-of-the-session" not in span.to_json()


@pytest.mark.parametrize("seconds", [-5, 0])
async def test_no_span_ends_before_it_begins(seconds: float) -> None:
    """Although a clock was set back."""
    log = RecordedLog()
    log.ask(1, "ping")
    log.seconds += seconds - 1
    log.answer(1)
    span, *_ = await spans_of(log)
    assert span.start_time == span.end_time
    assert span.start_time == int((START + timedelta(seconds=1)).timestamp()) * 10**9


@pytest.mark.parametrize("pid", [0, -1, 2**32, 10**20, "7", None, [7]])
async def test_a_process_that_cannot_be_is_left_out(pid: object) -> None:
    """Another program may have written it; OTLP has no number for each."""
    log = RecordedLog()
    log.call(1, "a")
    found = await spans_of(log, metadata={CLIENT_KEY: {"host": "h", "pid": pid}})
    assert found
    assert as_json_line(found)
    assert not any("process.pid" in span.resource.attributes for span in found)
