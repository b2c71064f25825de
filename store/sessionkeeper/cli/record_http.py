"""`sessionkeeper record http://host/mcp` records an MCP server on HTTP, as a reverse proxy."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from ..recording import SessionRecorder
from ..recording.http import CannotListen, HttpProxy, Serving, listen_on
from ..recording.http.addresses import ListenAddress, ServerAddress, is_loopback
from ..recording.http.serving import check_certificate, trust
from ..recording.redaction import redact_command
from ..stores.config import MemoryBackend, backend_from_url
from ..values.errors import SessionError
from .console import complain, run_on_loop, say
from .record_options import RecordOptions
from .record_session import naming_the_store, open_manager, redactor_of
from .stores import BAD_INPUT, store_name

if TYPE_CHECKING:
    from ..manager import SessionManager
    from ..recording import Recorder
    from ..recording.http import HttpReport
    from ..recording.http.sessions import SessionFields

__all__ = ["HttpOptions", "run_http_recorder"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HttpOptions(NamedTuple):
    """How the proxy listens, and what it tells clients apart by."""

    listen: ListenAddress
    allow_remote: bool = False
    session_by: str | None = None
    idle: float = 300.0
    """Seconds."""
    ca: str | None = None


def run_http_recorder(options: RecordOptions, http: HttpOptions) -> int:
    """Record until a signal ends it, and return the exit code. Raises `ValueError` for the URL."""
    server = ServerAddress.parse(options.command[0])
    if not http.allow_remote and not is_loopback(http.listen.host):
        complain(f"others could use the server through {http.listen}: --allow-remote permits it")
        return BAD_INPUT
    try:
        listener = listen_on(str(http.listen))
    except CannotListen as error:
        complain(f"{error} (--listen)")
        return BAD_INPUT
    with listener:
        port: int = listener.getsockname()[1]
        if port == server.port and is_loopback(server.host) and is_loopback(http.listen.host):
            complain(f"{server} is the recorder itself: give another port (--listen)")
            return BAD_INPUT
        here = ListenAddress(http.listen.host, port)
        return run_on_loop(_Recording(options, http, server, here, listener).run())


class _Recording:
    """One run of the proxy, and the store behind it."""

    def __init__(
        self,
        options: RecordOptions,
        http: HttpOptions,
        server: ServerAddress,
        here: ListenAddress,
        listener: socket.socket,
    ) -> None:
        self._options = options
        self._http = http
        self._server = server
        self._here = here
        self._listener = listener
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._manager: SessionManager | None = None
        self._signal = 0
        self._troubles: list[str] = []
        """The lines printed on stderr."""

    async def run(self) -> int:
        options, http = self._options, self._http
        try:
            tls = trust(self._server, http.ca)
            await check_certificate(self._server, tls)
        except OSError as error:
            complain(str(error))
            return BAD_INPUT
        async with self._opened:
            opening = asyncio.create_task(self._open_store())
            if options.require_store:
                try:
                    await opening
                except SessionError as error:
                    complain(f"{error}; nothing was started (--require-store)")
                    return BAD_INPUT
            proxy = HttpProxy(
                str(self._server) + (f"?{self._server.query}" if self._server.query else ""),
                self._open_recorder,
                listen=str(self._here),
                on_trouble=self._tell,
                tls=tls,
                session_by=http.session_by,
                idle=http.idle,
                max_body=options.max_message,
            )
            async with proxy:
                self._announce()
                ended = self._ended_by_signal()
                opening.add_done_callback(self._tell_opening)
                await Serving(proxy, self._listener).run_until(ended)
            opening.cancel()
            await asyncio.wait({opening})
            if not options.quiet:
                self._summarise(proxy.report())
        return 128 + self._signal if self._signal else 0

    async def _open_store(self) -> SessionManager:
        async with self._opening:
            if self._manager is None:
                url = self._options.store
                with naming_the_store(url):
                    self._manager = await self._opened.enter_async_context(
                        open_manager(url, self._options.max_message)
                    )
            return self._manager

    async def _open_recorder(self, fields: SessionFields) -> Recorder:
        manager = await self._open_store()
        # A segment of the path may be a key.
        (url,) = redact_command([str(self._server)])
        metadata: dict[str, object] = {"sessionkeeper.server": {"url": url}}
        if self._options.name is not None:
            metadata["sessionkeeper.name"] = self._options.name
        return await SessionRecorder.open(
            manager,
            metadata=metadata,
            tags=self._options.tags,
            redactor=redactor_of(self._options),
            report=self._tell,
            **fields,
        )

    def _tell_opening(self, opening: asyncio.Task[SessionManager]) -> None:
        error = None if opening.cancelled() else opening.exception()
        if error is None:
            return  # one that takes long is told by the first session that waits for it
        reason = str(error) if isinstance(error, SessionError) else type(error).__name__
        self._tell(
            f"cannot record yet: {reason}; requests are forwarded, and their messages wait in"
            " memory until the store is open"
        )

    def _ended_by_signal(self) -> asyncio.Event:
        ended = asyncio.Event()

        def end(number: int) -> None:
            self._signal = number
            ended.set()

        for each in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(each, end, int(each))
        return ended

    def _announce(self) -> None:
        if self._options.quiet:
            return
        host = self._here.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - it is compared
            host = socket.gethostname()
        url = f"http://{ListenAddress(host, self._here.port)}{self._server.path}"
        in_memory = isinstance(backend_from_url(self._options.store), MemoryBackend)
        store = "in memory" if in_memory else store_name(self._options.store)
        if self._options.as_json:
            say(json.dumps({"url": url, "server": str(self._server), "store": store}))
        else:
            complain(f"{url} → {self._server}, store {store}")

    def _tell(self, trouble: str) -> None:
        """Print a line on stderr, and keep it for the summary."""
        self._troubles.append(trouble)
        complain(trouble)

    def _summarise(self, report: HttpReport) -> None:
        lost = report.dropped + report.failed
        if self._options.as_json:
            say(
                json.dumps(
                    {
                        "sessions": report.sessions,
                        "not_recorded": lost,
                        "report": asdict(report),
                        "troubles": self._troubles,
                    }
                )
            )
            return
        beside = [_counted(report.odd, "odd", "odd"), _counted(report.gaps, "gap", "gaps")]
        told = ", ".join(each for each in beside if each)
        passed = report.sent_bytes + report.received_bytes
        complain(
            f"{_counted(report.sessions, 'session', 'sessions') or 'no session'},"
            f" {_counted(report.exchanges, 'request', 'requests') or 'no request'}:"
            f" {report.recorded} frames recorded{f' ({told})' if told else ''}"
            f"{f', {lost} messages not recorded' if lost else ''}, {passed} bytes forwarded"
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}" if count else ""
