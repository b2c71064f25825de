"""Kills a child process when its parent ends for any reason, with Linux's parent-death signal.

Source: prctl(2), PR_SET_PDEATHSIG. It survives exec, except of a program with set-user-ID.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["kill_with_parent"]

_PR_SET_PDEATHSIG = 1


def kill_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before its exec; None if the system has no such signal.

    The kernel sends SIGKILL when the *thread* that started the child ends.
    """
    if sys.platform != "linux":
        return None
    try:
        # Resolved here, because nothing may be imported or opened between fork and exec.
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the call
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
