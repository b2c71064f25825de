"""Ids of traces and spans: the same for the same call, however often it is exported."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from opentelemetry.trace import SpanContext, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from ..analysis.pairing import OpenCall
    from ..analysis.runs import Run

__all__ = ["call_context", "digest", "read_context", "run_context", "session_context"]

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_propagator = TraceContextTextMapPropagator()


class _Meta(msgspec.Struct):
    traceparent: str = ""
    tracestate: str = ""


class _Params(msgspec.Struct):
    meta: _Meta = msgspec.field(name="_meta", default_factory=_Meta)


_decode_params = msgspec.json.Decoder(_Params).decode


def digest(*parts: str) -> bytes:
    """Return 32 bytes that depend on all parts, and show none of them."""
    known = sha256()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        known.update(b"%d:%b" % (len(encoded), encoded))
    return known.digest()


def run_context(run: Run) -> SpanContext:
    """Return the identity of a run: that of its first session, which later ones do not change."""
    known = digest("run", run.sessions[0], run.started.isoformat())
    return _context(int.from_bytes(known[:16]), known[16:24])


def session_context(run: SpanContext, session_id: str) -> SpanContext:
    """Return the identity of a session in its run."""
    return _context(run.trace_id, digest("session", session_id))


def call_context(run: SpanContext, session_id: str, call: OpenCall) -> SpanContext:
    """Return the identity of a call in its run: a frame may hold several requests."""
    # The type of an id is part of it.
    parts = ("call", session_id, str(call.seq), repr(call.request_id))
    return _context(run.trace_id, digest(*parts))


def read_context(params: bytes | msgspec.Raw) -> SpanContext | None:
    """Return the trace context that a client put into `_meta`; None if there is no valid one.

    Source: W3C Trace Context; MCP, SEP-414.
    """
    try:
        meta = _decode_params(params).meta
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not meta.traceparent:
        return None
    carrier = {"traceparent": meta.traceparent, "tracestate": meta.tracestate}
    found = get_current_span(_propagator.extract(carrier)).get_span_context()
    return found if found.is_valid else None


def _context(trace_id: int, span_id: bytes) -> SpanContext:
    # Zero is no id; one in 2**64 digests would be.
    return SpanContext(
        trace_id, int.from_bytes(span_id[:8]) or 1, is_remote=False, trace_flags=_SAMPLED
    )
