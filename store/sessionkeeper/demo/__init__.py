"""The main job on real input: official MCP clients, through the tap, to real servers."""

from __future__ import annotations

from .check import Finding
from .run import DemoResult, run_demo
from .show import result_as_dict, show_result

__all__ = ["DemoResult", "Finding", "result_as_dict", "run_demo", "show_result"]
