"""What the messages of a session say about its life.

Every function here reads a message that is valid already, and none refuses one: a recorder keeps
what crossed the wire, however odd. What does not fit the session's state changes nothing.

Sources: MCP specification 2025-11-25, "Lifecycle" (the `initialize` handshake); 2026-07-28, where
a client states version and name in `_meta` of each request and there is no handshake.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import ValidationError

from .atomic import Change
from .errors import VersionConflict
from .jsonrpc import RpcHead
from .message import MessageEnvelope
from .session import Session
from .states import Direction, SessionState

__all__ = ["ending", "implied_change"]

_HANDSHAKE = ("initialize", "notifications/initialized")
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
_SERVER_KEY = "io.modelcontextprotocol/serverInfo"


class _Meta(msgspec.Struct, frozen=True):
    version: str | None = msgspec.field(default=None, name=_VERSION_KEY)
    client: dict[str, Any] | None = msgspec.field(default=None, name=_CLIENT_KEY)
    server: dict[str, Any] | None = msgspec.field(default=None, name=_SERVER_KEY)


class _Params(msgspec.Struct, frozen=True):
    version: str | None = msgspec.field(default=None, name="protocolVersion")
    client: dict[str, Any] | None = msgspec.field(default=None, name="clientInfo")
    meta: _Meta = msgspec.field(default=_Meta(), name="_meta")


class _Result(msgspec.Struct, frozen=True):
    version: str | None = msgspec.field(default=None, name="protocolVersion")
    server: dict[str, Any] | None = msgspec.field(default=None, name="serverInfo")
    meta: _Meta = msgspec.field(default=_Meta(), name="_meta")


def implied_change(envelope: MessageEnvelope, head: RpcHead) -> Change | None:
    """Return the change of its session that a message implies; None for nearly all of them.

    `head` is the message's, which its reader needs for more than this.
    """
    message = envelope.message
    # A cheap test on the bytes first: most messages are not worth parsing further. Only the ends
    # of the keys: some encoders write the slash in them as `\\/`.
    if envelope.context.direction is Direction.CLIENT_TO_SERVER:
        stated = head.id is not msgspec.UNSET and b'protocolVersion"' in message
        if stated or head.method in _HANDSHAKE:
            return _from_client(head)
    elif isinstance(head.result, msgspec.Raw) and (
        b'protocolVersion"' in message or b'serverInfo"' in message
    ):
        return _from_server(head)
    return None


def ending(state: SessionState, failure: str | None) -> Change:
    """Return the change that ends a session; one that ended so already stays as it is."""

    def end(session: Session) -> Session:
        if session.state is state:
            return session
        return session.model_copy(update={"state": state, "failure": failure})

    return end


def _from_client(head: RpcHead) -> Change | None:
    if head.method == "notifications/initialized":
        return _activate
    if not isinstance(head.params, msgspec.Raw):
        return None
    try:
        params = msgspec.json.decode(head.params, type=_Params)
    except msgspec.MsgspecError:
        return None
    if head.method == "initialize":
        return lambda session: _request(session, params.version, params.client)
    if params.meta.version is not None:
        return lambda session: _request(session, params.meta.version, params.meta.client)
    return None


def _from_server(head: RpcHead) -> Change | None:
    if not isinstance(head.result, msgspec.Raw):
        return None
    try:
        result = msgspec.json.decode(head.result, type=_Result)
    except msgspec.MsgspecError:
        return None
    if result.version is not None:
        return lambda session: _negotiate(session, result.version, result.server)
    if result.meta.server is not None:
        return lambda session: _discover(session, result.meta.server)
    return None


def _request(session: Session, version: str | None, client: dict[str, Any] | None) -> Session:
    if session.state is not SessionState.INITIALIZING or version is None:
        return session
    if session.version_state.requested == version and session.client_info == client:
        return session
    try:
        return session.model_copy(
            update={
                "client_info": client,
                "version_state": session.version_state.request(version),
            }
        )
    except (ValidationError, VersionConflict):
        return session


def _negotiate(session: Session, version: str | None, server: dict[str, Any] | None) -> Session:
    # No request but `initialize` is answered so, and only while the session is initializing.
    if session.state is not SessionState.INITIALIZING or version is None:
        return session
    try:
        return session.model_copy(
            update={
                "server_info": server,
                "version_state": session.version_state.negotiate(version),
            }
        )
    except (ValidationError, VersionConflict):
        return session


def _discover(session: Session, server: dict[str, Any] | None) -> Session:
    # Without a handshake, the first result that names its server shows that both sides agree.
    requested = session.version_state.requested
    changed = _negotiate(session, requested, server)
    return changed if changed is session else _activate(changed)


def _activate(session: Session) -> Session:
    if session.state is not SessionState.INITIALIZING:
        return session
    return session.model_copy(update={"state": SessionState.ACTIVE})
