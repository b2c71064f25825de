"""The SDK's session manager with its sessions in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Self
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_connection
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    DEFAULT_MAX_SESSIONS,
    DEFAULT_SESSION_IDLE_TIMEOUT,
    StreamableHTTPSessionManager,
)
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import INTERNAL_ERROR
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from sessionkeeper import (
    ManagerConfig,
    Session,
    SessionClosed,
    SessionError,
    SessionHooks,
    SessionManager,
    SessionNotFound,
    SessionStore,
    backend_from_url,
)

from .principals import PrincipalOf, principal_of_token
from .refusals import Refusal, refusal_of, send_refusal
from .stateless import StatelessRecorder
from .stored_session import Handshake, SessionView
from .transport import StoredTransport
from .workers import Workers

__all__ = ["StoredSessionManager"]

logger = logging.getLogger("sessionkeeper")

_FULL: Refusal = HTTPStatus.SERVICE_UNAVAILABLE, INTERNAL_ERROR, "Too many open sessions", {}
_DEFAULT = ManagerConfig(idle=DEFAULT_SESSION_IDLE_TIMEOUT, age=None)


class StoredSessionManager(StreamableHTTPSessionManager):
    """Keeps the sessions of a server in a store: one for all workers, over their restarts.

    `app` is an `MCPServer` or a low-level `Server`. `store` is opened and closed by its maker;
    `from_url` makes a manager that does so itself. `config` and `hooks` are those of the
    `SessionManager` that records and expires the sessions: without activity for `config.idle`
    seconds, 1,800 unless it is given, a session ends. An open stream is activity.

    A request is served if its session belongs to its principal: whoever the SDK's authentication
    found, or what `principal_of` returns for the request's ASGI scope. Each other option is that of
    the SDK's manager. Use it as that: `run` in the lifespan, `asgi_app` or `handle_request` as the
    application.

    Raises `ValueError`, `TypeError`.
    """

    def __init__(
        self,
        app: Server[Any] | MCPServer[Any],
        store: SessionStore | None,
        *,
        config: ManagerConfig | None = None,
        hooks: SessionHooks | None = None,
        principal_of: PrincipalOf = principal_of_token,
        json_response: bool = False,
        security_settings: TransportSecuritySettings | None = None,
        retry_interval: int | None = None,
        max_request_body_size: int = DEFAULT_MAX_REQUEST_BODY_SIZE,
        max_sessions: int | None = DEFAULT_MAX_SESSIONS,
    ) -> None:
        self._config = _DEFAULT if config is None else config
        super().__init__(
            app._lowlevel_server if isinstance(app, MCPServer) else app,  # pyright: ignore[reportPrivateUsage]
            json_response=json_response,
            security_settings=security_settings,
            retry_interval=retry_interval,
            session_idle_timeout=self._config.idle,
            max_request_body_size=max_request_body_size,
            max_sessions=max_sessions,
        )
        self._transports: dict[str, StoredTransport] = {}
        self._server_instances = self._transports  # type: ignore[assignment]  # a dict is invariant
        self._principal_of = principal_of
        self._hooks = hooks
        self._store = store
        self._sessions: SessionManager | None = None
        self._workers: Workers | None = None
        self._recorder = StatelessRecorder(self._view)

    @classmethod
    def from_url(
        cls,
        app: Server[Any] | MCPServer[Any],
        url: str,
        *,
        config: ManagerConfig | None = None,
        **options: Any,
    ) -> Self:
        """Make a manager whose store, named by a URL, is open while it runs.

        `options` are those of the constructor. Raises `TypeError`, `ValueError`; opening raises
        what `StorageFactory.create` raises.
        """
        base = _DEFAULT if config is None else config
        backend = backend_from_url(url)
        return cls(app, None, config=base.model_copy(update={"backend": backend}), **options)

    @property
    def sessions(self) -> SessionManager:
        """The manager of the sessions, to read and end them; there only while this one runs.

        Raises `RuntimeError`.
        """
        if self._sessions is None:
            raise RuntimeError("the sessions are there while the manager runs: use 'run'")
        return self._sessions

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None, None]:
        """Serve until the block ends; the sessions stay in the store. Once for each manager.

        Raises what opening the store raises, and `LimitExceeded` when it is full.
        """
        async with self._make_sessions() as sessions:
            self._sessions = sessions
            self._workers = workers = Workers(sessions.store, idle=self._config.idle)
            await workers.start()
            try:
                async with super().run():
                    self._tasks.start_soon(workers.serve)
                    if self._config.idle is not None:
                        self._tasks.start_soon(self._keep_alive, self._config.idle / 3)
                    yield
            finally:
                with anyio.CancelScope(shield=True):
                    await workers.stop()
                self._sessions = None

    def _make_sessions(self) -> SessionManager:
        if self._store is None:
            return SessionManager(self._config, hooks=self._hooks)
        return SessionManager.with_store(self._store, self._config, hooks=self._hooks)

    @property
    def _tasks(self) -> TaskGroup:
        if self._task_group is None:
            raise RuntimeError("Task group is not initialized. Make sure to use run().")
        return self._task_group

    def _view(self, principal: str | None) -> SessionView:
        return self.sessions if principal is None else self.sessions.for_principal(principal)

    async def _handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = Request(scope).headers.get(MCP_PROTOCOL_VERSION_HEADER)
        if version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
            await super()._handle_request(scope, receive, send)
            return
        principal, serve = self._principal_of(scope), super()._handle_request
        try:
            await self._recorder.serve(serve, principal, scope, receive, send)
        except (SessionError, ValueError) as error:
            await send_refusal(refusal_of(error), scope, receive, send)

    async def _handle_stateful_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = Request(scope).headers.get(MCP_SESSION_ID_HEADER)
        principal = self._principal_of(scope)
        try:
            if session_id is None:
                transport = self._admit(uuid4().hex, principal)
            else:
                transport = await self._find(session_id, principal)
        except (SessionError, ValueError) as error:  # `ValueError`: of what is no principal
            await send_refusal(refusal_of(error), scope, receive, send)
            return
        if transport is None:
            await send_refusal(_FULL, scope, receive, send)
        elif session_id is None:
            await self._serve_opening(transport, scope, receive, send)
        else:
            await transport.handle_request(scope, receive, send)
            if transport.is_terminated:
                await self._discard_session(session_id, transport)

    def _admit(self, session_id: str, principal: str | None) -> StoredTransport | None:
        """Register a transport; None when there are as many as may be."""
        if self._workers is None:
            raise RuntimeError("Task group is not initialized. Make sure to use run().")
        if self.max_sessions is not None and len(self._transports) >= self.max_sessions:
            return None
        transport = StoredTransport(
            session_id,
            view=self._view(principal),
            principal=principal,
            workers=self._workers,
            is_json_response_enabled=self.json_response,
            security_settings=self.security_settings,
            retry_interval=self.retry_interval,
            idle_timeout=self.session_idle_timeout,
        )
        self._transports[session_id] = transport
        return transport

    async def _find(self, session_id: str, principal: str | None) -> StoredTransport | None:
        """Return the transport of a session, made now if another worker or process opened it.

        None when there are as many as may be. Raises `SessionNotFound`, `StoreUnavailable`.
        """
        transport = self._transports.get(session_id)
        if transport is None:
            session = await self._view(principal).get_session(session_id)
            handshake = Handshake.of(session)
            if session.principal != principal or handshake is None:
                raise SessionNotFound(session_id)
            async with self._session_creation_lock:
                transport = self._transports.get(session_id)
                if transport is None:  # nobody else was faster
                    transport = self._admit(session_id, principal)
                    if transport is not None:
                        await self._start(transport, session, handshake)
        if transport is not None and transport.principal != principal:
            raise SessionNotFound(session_id)
        return transport

    async def _serve_opening(
        self, transport: StoredTransport, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a request without a session; if it opens none, nothing is left of it."""
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._start(transport)
            await transport.handle_request(scope, receive, note_status)
        except BaseException:
            status = 500
            raise
        finally:
            if status >= 400:
                with anyio.CancelScope(shield=True):
                    await self._discard_session(transport.session_id, transport)
                    await transport.abandon()

    async def _start(
        self,
        transport: StoredTransport,
        session: Session | None = None,
        handshake: Handshake | None = None,
    ) -> None:
        """Start the server's side of a transport, of a new session or of a stored one."""
        try:
            await self._tasks.start(self._run_server, transport, session, handshake)
        except BaseException:
            await self._discard_session(transport.session_id, transport)
            raise

    async def _run_server(
        self,
        transport: StoredTransport,
        session: Session | None,
        handshake: Handshake | None,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        session_id = transport.session_id
        async with transport.running(session), transport.connect() as (read, write):
            dispatcher: JSONRPCDispatcher[TransportContext] = JSONRPCDispatcher(
                read, write, inline_methods=frozenset({"initialize"})
            )
            connection = Connection.for_loop(dispatcher, session_id=session_id)
            if handshake is not None:
                handshake.restore(connection)
            task_status.started()
            try:
                with transport.idle_scope or anyio.CancelScope():
                    await serve_connection(
                        self.app,
                        dispatcher,
                        connection=connection,
                        lifespan_state=self._lifespan_state,
                    )
            except Exception as error:
                logger.error("the server of a session ended with %s", type(error).__name__)
            finally:
                await self._discard_session(session_id, transport)

    async def _discard_session(
        self, session_id: str, transport: StreamableHTTPServerTransport
    ) -> None:
        """Forget a transport and end it. The session in the store is not touched."""
        # Not by the id alone: another transport of the session may have its place already.
        if self._transports.get(session_id) is transport:
            del self._transports[session_id]
        if not transport.is_terminated:
            with anyio.CancelScope(shield=True):
                await transport.terminate()

    async def _keep_alive(self, interval: float) -> None:
        """Note the activity of sessions that have only an open stream or a long request."""
        while True:
            await asyncio.sleep(interval)
            for session_id, transport in list(self._transports.items()):
                if not transport.is_busy:
                    continue
                try:
                    await transport.touch()
                except (SessionNotFound, SessionClosed):
                    await self._discard_session(session_id, transport)
                except SessionError as error:  # it is tried again
                    logger.warning("a session was not kept alive: %s", type(error).__name__)
