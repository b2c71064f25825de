"""Runs a recorder: the server starts at once, and its record opens beside the traffic.

Rule: nothing heavy is imported before the server has started. What waits for it meanwhile is in
the queue of the proxy.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from ..recording.late_recorder import LateRecorder
from ..recording.stdio import CommandNotStarted, StdioProxy, exit_status, forwarding_signals
from ..stores.store_url import is_plain
from ..values.errors import SessionError
from .console import complain, run_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..recording import SessionRecorder
    from .record_options import RecordOptions
    from .record_session import OpenSession

__all__ = ["run_recorder"]

_SWITCH_INTERVAL = 0.0005
"""Seconds."""
_OPENING = 1.0
"""Seconds that the start of a server may wait for its store."""
_BAD_INPUT = 2
_UNHEARD = logging.NullHandler()


def run_recorder(options: RecordOptions, *, on_loaded: Callable[[], None] = lambda: None) -> int:
    """Run the server and return its exit code; `on_loaded` is called when all is imported.

    Raises `ValueError` for a wrong option of the store's URL; then no server was started.
    """
    # A busy loop lets a forwarding thread run only after this time. The default, five
    # milliseconds, slows every round trip (measured: 385 µs instead of 50 µs).
    sys.setswitchinterval(_SWITCH_INTERVAL)
    logging.getLogger("sessionkeeper.sqlite").addHandler(_UNHEARD)
    try:
        return run_on_loop(_Recording(options, on_loaded).run())
    except CommandNotStarted as error:
        complain(str(error))
        return error.exit_status
    except SessionError as error:
        complain(f"{error}; the server was not started (--require-store)")
        return _BAD_INPUT


class _Recording:
    """One run of a server, and the session that is open behind it."""

    def __init__(self, options: RecordOptions, on_loaded: Callable[[], None]) -> None:
        self._options = options
        self._on_loaded = on_loaded
        self._client = os.getppid()
        self._started = datetime.now(UTC)
        self._session: OpenSession | None = None
        self._troubles: list[str] = []
        """The lines printed on stderr."""

    async def run(self) -> int:
        options = self._options
        late = LateRecorder(self._open, load=self._load, report=self._tell)
        recorder: LateRecorder | SessionRecorder = late
        try:
            if options.require_store:
                self._load()
                recorder = await self._open()
            elif not is_plain(options.store):  # opening it tells whether its options are right
                await late.start(within=_OPENING)
            self._started = datetime.now(UTC)
            proxy = StdioProxy(
                options.command,
                recorder,
                client_in=0,
                client_out=1,
                on_trouble=self._tell,
                record_stderr=options.stderr,
                on_traffic_end=late.finish,
                max_line=options.max_message,
            )
            with forwarding_signals(proxy):
                report = await proxy.run()
            if not options.quiet:
                from .record_summary import summarise

                await summarise(self._session, report, self._troubles, as_json=options.as_json)
        finally:
            await late.aclose()
            if self._session is not None:
                await self._session.aclose()
        return exit_status(report.returncode)

    def _load(self) -> None:
        import_module(".record_session", __package__)
        self._on_loaded()

    async def _open(self) -> SessionRecorder:
        from .record_session import OpenSession

        self._session = await OpenSession.open(
            self._options, client=self._client, started=self._started, report=self._tell
        )
        return self._session.recorder

    def _tell(self, trouble: str) -> None:
        """Print a line on stderr, and keep it for the summary."""
        self._troubles.append(trouble)
        complain(trouble)
