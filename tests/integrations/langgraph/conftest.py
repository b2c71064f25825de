"""The saver is tested where LangGraph is installed."""

from __future__ import annotations

import pytest

pytest.importorskip("langgraph.graph", reason="langgraph is not installed", exc_type=ImportError)
