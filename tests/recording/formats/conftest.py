"""Spans need the extra `otlp`."""

from __future__ import annotations

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra is not installed")

from tests.support.collector import collector

__all__ = ["collector"]
