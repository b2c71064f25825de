"""Calls as spans of OpenTelemetry (extra `otlp`).

One trace is one run. Its first span is the run; below are the sessions, and below each its calls,
those of the client and those of the server. The recorder stands between both sides, so a call is
told as by the side that made it: its kind is CLIENT, and its resource is that side.

Source: the semantic conventions for the Model Context Protocol, of the repository
semantic-conventions-genai, status "development". Their names are written out here, because the
package of the conventions has them no more. Arguments and results of tools are not exported.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from ...values.errors import SessionNotFound, short_id
from ...values.states import Direction, SessionState, TransportType
from ..analysis.call import CallOutcome
from ..analysis.parties import (
    client_name,
    client_process,
    client_version,
    server_name,
    server_url,
    server_version,
)
from ..analysis.runs import Run, runs
from ..analysis.times import started_at
from ..analysis.walking import walk
from .span_identity import call_context, digest, read_context, run_context, session_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame
    from ...values.session import Session
    from ..analysis.call import Call
    from ..analysis.pairing import OpenCall

__all__ = ["spans"]

_Attributes: TypeAlias = "dict[str, str | int | bool]"

_SCOPE = InstrumentationScope("sessionkeeper")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = 2**64 - 1
"""The last nanosecond of OTLP, in the year 2554."""
_TOOL, _PROMPT = "tools/call", "prompts/get"
_MARK = b'"traceparent"'


async def spans(
    store: AtomicSessionStore,
    sessions: Collection[str] | None = None,
    *,
    on_frames: Callable[[int], object] = lambda count: None,
) -> AsyncGenerator[ReadableSpan]:
    """Yield the spans of the calls of these sessions, or of all; then of sessions, then of runs.

    Ids are the same in every export, also of a part. A call that may still be answered is left out.
    Logs are read in pages; memory is bounded by the open calls. A session that is deleted meanwhile
    is passed over. Not atomic. Raises `StoreUnavailable`, `StoreClosed`.
    """
    wanted = None if sessions is None else frozenset(sessions)
    async for run in runs(store):
        chosen = [each for each in run.sessions if wanted is None or each in wanted]
        if not chosen:
            continue
        root = run_context(run)
        for session_id in chosen:
            try:
                session = await store.get_session(session_id)
                async for span in _session_spans(store, session, root, on_frames):
                    yield span
            except SessionNotFound:
                continue
        yield _run_span(run, root)


async def _session_spans(
    store: AtomicSessionStore,
    session: Session,
    root: SpanContext,
    on_frames: Callable[[int], object],
) -> AsyncGenerator[ReadableSpan]:
    writer = _CallSpans(session, root)
    async for frame, calls in walk(store, session, on_frames=on_frames):
        for call in calls:
            if not call.is_over:
                if frame is not None and call.seq == frame.seq:
                    writer.note(call, frame)
            elif call.outcome is not CallOutcome.OPEN:
                yield writer.span(call)
    yield _session_span(session, root)


class _CallSpans:
    """Makes the spans of the calls of one session."""

    def __init__(self, session: Session, root: SpanContext) -> None:
        self._session = session
        self._root = root
        self._parent = session_context(root, session.id)
        self._links: dict[OpenCall, SpanContext] = {}
        self._common = _session_attributes(session)
        self._resources = {
            Direction.CLIENT_TO_SERVER: _client_resource(session),
            Direction.SERVER_TO_CLIENT: _server_resource(session),
        }

    def note(self, call: OpenCall, frame: Frame) -> None:
        """Note the trace context of a new request."""
        if _MARK not in frame.envelope.message:
            return
        for head in frame.envelope.heads():
            if head.id == call.request_id and head.params is not msgspec.UNSET:
                context = read_context(head.params)
                if context is not None:
                    self._links[call] = context

    def span(self, call: OpenCall) -> ReadableSpan:
        """Return the span of a call that is over."""
        seen = call.snapshot(self._session.id)
        link = self._links.pop(call, None)
        error = _error_type(seen)
        start = _nanoseconds(seen.started)
        end = seen.ended or self._session.ended_at or self._session.last_activity
        target = seen.name if seen.method in (_TOOL, _PROMPT) else None
        attributes = {**self._common, **_call_attributes(seen)}
        if error is not None:
            attributes["error.type"] = error
        return ReadableSpan(
            name=_written(seen.method if target is None else f"{seen.method} {target}"),
            context=call_context(self._root, self._session.id, call),
            parent=self._parent,
            resource=self._resources[seen.direction],
            attributes=_all_written(attributes),
            links=() if link is None else (Link(link),),
            kind=SpanKind.CLIENT,
            status=_status(error, seen.error_text),
            start_time=start,
            end_time=max(start, _nanoseconds(end)),
            instrumentation_scope=_SCOPE,
        )


def _call_attributes(call: Call) -> _Attributes:
    attributes: _Attributes = {
        "mcp.method.name": call.method,
        "jsonrpc.request.id": str(call.request_id),
        "sessionkeeper.call.outcome": call.outcome.value,
        "sessionkeeper.request.frame": call.request_seq,
        "sessionkeeper.request.size": call.request_bytes,
    }
    if call.response_seq is not None:
        attributes["sessionkeeper.response.frame"] = call.response_seq
    if call.response_bytes is not None:
        attributes["sessionkeeper.response.size"] = call.response_bytes
    if call.progress:
        attributes["sessionkeeper.call.progress"] = call.progress
    if call.method == _TOOL:
        attributes["gen_ai.operation.name"] = "execute_tool"
    if call.name is not None and call.method in _NAMES:
        attributes[_NAMES[call.method]] = call.name
    code = call.error_code
    if code is not None:
        # A status of HTTP stands for an answer that was no JSON-RPC message.
        name = "http.response.status_code" if 400 <= code <= 599 else "rpc.response.status_code"
        attributes[name] = code if 400 <= code <= 599 else str(code)
    return attributes


_NAMES = {
    _TOOL: "gen_ai.tool.name",
    _PROMPT: "gen_ai.prompt.name",
    "resources/read": "mcp.resource.uri",
    "resources/subscribe": "mcp.resource.uri",
    "resources/unsubscribe": "mcp.resource.uri",
}


def _error_type(call: Call) -> str | None:
    match call.outcome:
        case CallOutcome.ERROR:
            return "_OTHER" if call.error_code is None else str(call.error_code)
        case CallOutcome.TOOL_ERROR:
            return "tool_error"
        case CallOutcome.UNANSWERED:
            return "unanswered"
        case _:
            return None


def _status(error: str | None, text: str | None) -> Status:
    return Status() if error is None else Status(StatusCode.ERROR, text and _written(text))


def _session_attributes(session: Session) -> _Attributes:
    is_http = session.transport_type in (TransportType.STREAMABLE_HTTP, TransportType.SSE)
    attributes: _Attributes = {
        # As `ls` shows it: a whole id may be a secret.
        "sessionkeeper.session": short_id(session.id).removesuffix("…"),
    }
    if is_http or session.transport_type is TransportType.STDIO:
        attributes["network.transport"] = "tcp" if is_http else "pipe"
    if is_http:
        attributes["network.protocol.name"] = "http"
        attributes |= _address(session)
    version = session.version_state.negotiated
    if version is not None:
        attributes["mcp.protocol.version"] = str(version)
    if session.upstream_session_id is not None:
        # The id itself gives access to the session.
        attributes["mcp.session.id"] = digest(session.upstream_session_id).hex()[:32]
    return attributes


def _address(session: Session) -> _Attributes:
    try:
        split = urlsplit(server_url(session) or "")
        host, port = split.hostname, split.port
    except ValueError:
        return {}
    if host is None:
        return {}
    return {
        "server.address": host,
        "server.port": port or (443 if split.scheme == "https" else 80),
    }


def _session_span(session: Session, root: SpanContext) -> ReadableSpan:
    failed = session.state is SessionState.FAILED
    server = server_name(session)
    start = _nanoseconds(started_at(session))
    attributes = _session_attributes(session)
    if failed:
        attributes["error.type"] = "session_failed"
    return ReadableSpan(
        name=_written("session" if server is None else f"session {server}"),
        context=session_context(root, session.id),
        parent=root,
        resource=_client_resource(session),
        attributes=_all_written(attributes),
        kind=SpanKind.INTERNAL,
        status=_status("session_failed" if failed else None, session.failure),
        start_time=start,
        end_time=max(start, _nanoseconds(session.ended_at or session.last_activity)),
        instrumentation_scope=_SCOPE,
    )


def _run_span(run: Run, root: SpanContext) -> ReadableSpan:
    process = (
        None
        if run.client_host is None or run.client_pid is None
        else (run.client_host, run.client_pid)
    )
    return ReadableSpan(
        name=_written("run" if run.client_name is None else f"run {run.client_name}"),
        context=root,
        resource=_resource(run.client_name, run.client_version, process, "mcp client"),
        attributes={"sessionkeeper.run.sessions": len(run.sessions)},
        kind=SpanKind.INTERNAL,
        start_time=_nanoseconds(run.started),
        end_time=_nanoseconds(run.ended),
        instrumentation_scope=_SCOPE,
    )


def _client_resource(session: Session) -> Resource:
    process = client_process(session)
    return _resource(client_name(session), client_version(session), process, "mcp client")


def _server_resource(session: Session) -> Resource:
    return _resource(server_name(session), server_version(session), None, "mcp server")


def _resource(
    name: str | None, version: str | None, process: tuple[str, int] | None, unnamed: str
) -> Resource:
    attributes: _Attributes = {"service.name": name or unnamed}
    if version is not None:
        attributes["service.version"] = version
    if process is not None:
        attributes["host.name"], attributes["process.pid"] = process
    return Resource(_all_written(attributes))


def _all_written(attributes: _Attributes) -> _Attributes:
    return {
        name: _written(value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }


def _written(text: str) -> str:
    # Protobuf is UTF-8, and half of a pair of surrogates, which JSON may name, has none.
    return text.encode(errors="backslashreplace").decode()


def _nanoseconds(moment: datetime) -> int:
    # A clock that was never set, or an imported log, may be outside of what OTLP has a number for.
    return min(max(0, (moment - _EPOCH) // _MICROSECOND * 1000), _LAST)
