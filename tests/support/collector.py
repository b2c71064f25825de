"""A collector of OpenTelemetry that receives spans on loopback. It needs the extra `otlp`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

__all__ = ["Collector", "collector", "value_of"]


class Collector(ThreadingHTTPServer):
    """Decodes what it receives, as any collector does; answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.spans: list[Any] = []
        self.resources: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
            ExportTraceServiceResponse,
        )

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces" and self.server.status == 200:
            self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
            request = ExportTraceServiceRequest.FromString(body)
            for each in request.resource_spans:
                known = {a.key: value_of(a.value) for a in each.resource.attributes}
                for scope in each.scope_spans:
                    self.server.spans += scope.spans
                    self.server.resources += [known] * len(scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(self.server.status if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


def value_of(value: Any) -> object:
    """Return what an attribute of OTLP holds."""
    return getattr(value, value.WhichOneof("value"))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
