"""Spans as OTLP: as lines of JSON for a file, and sent to a collector over HTTP (extra `otlp`).

Source: OpenTelemetry protocol specification 1.x, "JSON Protobuf Encoding", "OTLP/HTTP"; the file
exporter's format, which the collector's receiver `otlpjsonfile` reads: one request a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64decode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from requests import PreparedRequest, Response, Session
from requests.exceptions import RequestException, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["BATCH", "CollectorClient", "CollectorFailed", "as_json_line", "traces_url"]

BATCH = 512
"""Spans of one request."""
TIMEOUT = 10.0
"""Seconds for a request, with its retries."""
_PATH = "/v1/traces"
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_LOGGER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class CollectorFailed(Exception):
    """A collector could not be reached, or refused the spans."""


def as_json_line(spans: Sequence[ReadableSpan]) -> str:
    """Return spans as one line of OTLP/JSON, without the newline."""
    request: object = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(request), separators=(",", ":"))


def _with_hex_ids(value: object) -> object:
    """Protobuf writes bytes as Base64, OTLP/JSON wants ids in hexadecimal."""
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        return {
            name: b64decode(held).hex()
            if name in _IDS and isinstance(held, str)
            else _with_hex_ids(held)
            for name, held in cast("dict[str, object]", value).items()
        }
    return value


def traces_url(url: str) -> str:
    """Return the URL for spans of a collector. Raises `ValueError`."""
    try:
        split = urlsplit(url)
        split.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        raise ValueError("not a URL") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("a URL of HTTP is expected, such as http://127.0.0.1:4318")
    if split.username is not None or split.query or split.fragment:
        raise ValueError(
            "no user, query or fragment; headers are in the variable OTEL_EXPORTER_OTLP_HEADERS"
        )
    path = split.path.rstrip("/")
    return split._replace(path=path if path.endswith(_PATH) else path + _PATH).geturl()


class CollectorClient:
    """Sends spans to a collector. Headers and certificates are those of OpenTelemetry's variables.

    Use it as a block; if that is cancelled, a request that is under way is given up.
    """

    def __init__(self, url: str) -> None:
        self._connections = _Connections()
        self._exporter = OTLPSpanExporter(
            endpoint=traces_url(url), timeout=TIMEOUT, session=self._connections
        )
        # Its package has no types for this one.
        self._shut_down: Callable[[], None] = self._exporter.shutdown
        self._logger = logging.getLogger(_LOGGER)

    async def __aenter__(self) -> Self:
        # What it logs is in the error, too.
        self._logger.addFilter(_nothing)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shut_down()
        self._logger.removeFilter(_nothing)

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send spans. After the first answer, what is only passing is tried again for 10 seconds.

        Raises `CollectorFailed` with the reason.
        """
        result = await asyncio.to_thread(self._exporter.export, spans)
        if result is not SpanExportResult.SUCCESS:
            raise CollectorFailed(self._connections.failure)


class _Connections(Session):
    """Keeps the reason for which the last request failed."""

    failure = "the spans were refused"
    _was_reached = False

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        try:
            response = super().send(request, **options)
        except RequestException as error:
            self.failure = _root_cause(error)
            if self._was_reached:
                raise
            # Nothing listens there: the exporter tries no other kind of error again.
            raise RequestException(self.failure) from error
        self._was_reached = True
        self.failure = f"it answered {response.status_code} {response.reason}"
        return response


def _root_cause(error: BaseException) -> str:
    """Say why a request failed, without its URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"{cause.strerror[0].lower()}{cause.strerror[1:]}"
        cause = cause.__cause__ or cause.__context__
    return "it did not answer in time" if isinstance(error, Timeout) else type(error).__name__


def _nothing(record: logging.LogRecord) -> bool:
    return False
