"""Records what passes between MCP clients and servers, and reads recordings.

Rule: forwarding never waits for recording, and everything heavy is imported when it is used.
Read `stdio`, then `journal`, `recorder` and `late_recorder`, which all proxies share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .late_recorder import LateRecorder
    from .origin import Origin
    from .recorder import Recorder, SessionRecorder

__all__ = ["LateRecorder", "Origin", "Recorder", "SessionRecorder"]

_HOMES = {
    "LateRecorder": "late_recorder",
    "Origin": "origin",
    "Recorder": "recorder",
    "SessionRecorder": "recorder",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
