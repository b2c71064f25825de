"""Spans as OTLP: what a real receiver decodes is what was recorded."""

from __future__ import annotations

import json
import sys
from socket import socket

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sessionkeeper import ActorSessionStore
from sessionkeeper.recording.formats import otlp
from sessionkeeper.recording.formats.otlp import (
    CollectorClient,
    CollectorFailed,
    as_json_line,
    traces_url,
)
from sessionkeeper.recording.formats.spans import spans

from tests.support.collector import Collector, value_of
from tests.support.recorded_logs import DOWN, UP, RecordedLog
from tests.support.recordings import RecordedServer

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_collector_receives_every_call_of_a_real_server(collector: Collector) -> None:
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as server:
            await server.greet()
            await server.call("get_current_time", timezone="UTC")
        found = [span async for span in spans(store)]
    async with CollectorClient(collector.url) as client:
        await client.send(found)
    assert [span.name for span in collector.spans] == [span.name for span in found]
    call = collector.spans[1]
    assert call.parent_span_id == collector.spans[2].span_id
    assert call.kind == 3
    assert {a.key: value_of(a.value) for a in call.attributes} == found[1].attributes
    assert collector.resources[1] == {"service.name": "editor", "service.version": "1"}


async def test_lines_of_json_are_the_same_request() -> None:
    """Ids in hexadecimal, numbers of 64 bits as strings, as the specification says."""
    log = RecordedLog()
    log.ask(1, "tools/call", name="é", _meta={"traceparent": PARENT})
    log.answer(1)
    async with ActorSessionStore() as store:
        await log.put_into(store)
        found = [span async for span in spans(store)]
    line = as_json_line(found)
    assert "\n" not in line
    read = json.loads(line)
    (call, session, run) = read["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert found[0].context is not None
    assert call["traceId"] == f"{found[0].context.trace_id:032x}"
    assert call["parentSpanId"] == session["spanId"]
    assert call["links"][0]["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert call["kind"] == 3
    assert call["startTimeUnixNano"] == str(found[0].start_time)
    assert "parentSpanId" not in run

    parsed = ParseDict(_with_base64_ids(read), ExportTraceServiceRequest())
    assert parsed == encode_spans(found)


async def test_text_that_utf8_cannot_write_is_escaped() -> None:
    """JSON may name half of a pair of surrogates, in a name, an id or an error."""
    log = RecordedLog()
    asked = b'{"jsonrpc":"2.0","id":"\\ud800","method":"tools/call","params":{"name":"\\udfff"}}'
    log.say(UP, asked)
    log.say(DOWN, b'{"jsonrpc":"2.0","id":"\\ud800","error":{"code":1,"message":"\\ud801"}}')
    async with ActorSessionStore() as store:
        await log.put_into(store)
        line = as_json_line([span async for span in spans(store)])
    (call, *_) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (call["name"], call["status"]["message"]) == (r"tools/call \udfff", r"\ud801")


def _with_base64_ids(value: object) -> object:
    from base64 import b64encode

    if isinstance(value, list):
        return [_with_base64_ids(each) for each in value]
    if isinstance(value, dict):
        return {
            name: b64encode(bytes.fromhex(held)).decode()
            if name in ("traceId", "spanId", "parentSpanId")
            else _with_base64_ids(held)
            for name, held in value.items()
        }
    return value


async def test_headers_come_from_the_environment(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets are in no command line."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer abc")
    async with CollectorClient(collector.url) as client:
        await client.send([])
    assert collector.headers[0]["authorization"] == "Bearer abc"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refusal_is_an_error(
    collector: Collector, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With its status, and nothing is logged."""
    collector.status = status
    async with CollectorClient(collector.url) as client:
        with pytest.raises(CollectorFailed, match=str(status)):
            await client.send([])
    assert not caplog.records


async def test_a_collector_that_is_away_is_an_error() -> None:
    """At once, if none has ever answered."""
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens
        async with CollectorClient(f"http://127.0.0.1:{unused.getsockname()[1]}") as client:
            with pytest.raises(CollectorFailed, match="refused"):
                await client.send([])


async def test_a_collector_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "TIMEOUT", 0.2)
    with socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        async with CollectorClient(f"http://127.0.0.1:{deaf.getsockname()[1]}") as client:
            with pytest.raises(CollectorFailed, match="did not answer in time"):
                await client.send([])


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://h/base/", "https://h/base/v1/traces"),
        ("http://h/v1/traces", "http://h/v1/traces"),
    ],
)
def test_the_path_is_added(given: str, made: str) -> None:
    assert traces_url(given) == made


@pytest.mark.parametrize(
    "wrong",
    ["127.0.0.1:4318", "grpc://h", "http://", "http://u:hunter2@h", "http://h:x", "http://["],
)
def test_what_is_no_url_of_a_collector_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"URL|user") as raised:
        traces_url(wrong)
    assert "hunter2" not in str(raised.value)


async def test_times_that_otlp_has_no_number_for() -> None:
    """A clock that was never set, and one far in the future: the nearest that there is."""
    log = RecordedLog()
    log.seconds = -80 * 365 * 86_400
    log.ask(1, "early")
    log.seconds = 2_000 * 365 * 86_400
    log.answer(1)
    async with ActorSessionStore() as store:
        await log.put_into(store)
        lines = [as_json_line([span]) async for span in spans(store)]
    call = json.loads(lines[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert int(call.get("startTimeUnixNano", 0)) == 0
    assert int(call["endTimeUnixNano"]) == 2**64 - 1
