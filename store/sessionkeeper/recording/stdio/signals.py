"""Forwards signals of a terminal or a client to the server behind a proxy.

Only for a program that does nothing else: it replaces the signal handlers of the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from .proxy import StdioProxy

__all__ = ["forwarding_signals"]

_FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGINT,
    signal.SIGQUIT,
)
_FROM_KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT})


@contextmanager
def forwarding_signals(proxy: StdioProxy) -> Generator[None, None, None]:
    """Forward signals to the server while the block runs. SIGINT also ends the proxy.

    Enter it in the main thread, on the proxy's loop, before the proxy runs. Signals that are
    ignored at that time (nohup) stay ignored.
    """
    loop = asyncio.get_running_loop()
    before = {signum: signal.getsignal(signum) for signum in _FORWARDED}
    taken = [signum for signum, handler in before.items() if handler is not signal.SIG_IGN]
    children = signal.getsignal(signal.SIGCHLD)
    if children is signal.SIG_IGN:
        # Some launchers leave it ignored, and then the kernel discards the exit code.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for signum in taken:
        loop.add_signal_handler(signum, _forward, proxy, signum)
    try:
        yield
    finally:
        for signum in taken:
            loop.remove_signal_handler(signum)
            signal.signal(signum, before[signum])
        signal.signal(signal.SIGCHLD, children)


def _forward(proxy: StdioProxy, signum: signal.Signals) -> None:
    proxy.send_signal(signum, has_it=signum in _FROM_KEYBOARD and _in_foreground())
    if signum == signal.SIGINT:
        proxy.interrupt()


def _in_foreground() -> bool:
    """Whether signals from the keyboard reach our process group, which contains the server."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
