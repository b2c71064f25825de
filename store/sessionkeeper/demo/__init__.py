"""The demo: real clients and servers in conversation, and a check of every stored byte.

Rule: the check compares the store with what witnesses at both ends saw. Read `run`, `stage`, then
`check`.
"""

from __future__ import annotations

from .check import Finding
from .run import DemoResult, run_demo
from .show import result_as_dict, show_result

__all__ = ["DemoResult", "Finding", "result_as_dict", "run_demo", "show_result"]
