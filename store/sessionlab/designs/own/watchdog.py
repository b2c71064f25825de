"""Notices that no run ends any more, reports why, and ends the process."""

# Python shows the frame of another thread in no other way.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["Watchdog", "describe_stuck"]

_WAITING = ("asyncio", "selectors", "uvloop", "sessionlab.explore")
"""Modules whose code is innermost while a loop waits for something to happen."""


class Watchdog:
    """A thread that calls `report` and ends the process when nothing was alive for `timeout`."""

    def __init__(self, timeout: float, module: str, report: Callable[[str], None]) -> None:
        self._timeout = timeout
        self._module = module
        self._report = report
        self._last = time.monotonic()
        self._main = threading.get_ident()
        # Made before the user's module can replace anything.
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.stage = ""
        """The current activity, as the subject of a sentence; empty for a run."""

    def start(self) -> None:
        """Watch from now on."""
        self.alive()
        self._thread.start()

    def alive(self) -> None:
        """Count from now on."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while True:
            rest = self._last + self._timeout - time.monotonic()
            if rest <= 0:
                frame = sys._current_frames().get(self._main)
                how = describe_stuck(frame, self._module, self._timeout)
                self._report(f"{self.stage} {how}".strip())
                os._exit(1)
            time.sleep(rest)


def describe_stuck(frame: FrameType | None, module: str, timeout: float) -> str:
    """Return whether a thread blocks its loop or waits in it, from its innermost frame."""
    waits = frame is None or _module_of(frame).startswith(_WAITING)
    while frame is not None and _module_of(frame) != module:
        frame = frame.f_back
    if waits or frame is None:
        return f"hung for {timeout:g} s"
    return f"blocked the loop for {timeout:g} s, in {frame.f_code.co_name}, line {frame.f_lineno}"


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
