"""The effect of messages on the state of their session.

Every function here reads a valid message, and none refuses one: a recorder keeps everything that
crossed the wire. A message that does not fit the session's state changes nothing. Requests overlap,
so the effect of a result follows from the request that it answers, never from the last request.

Sources: MCP specification 2025-11-25, "Lifecycle" (the `initialize` handshake); 2026-07-28, where
a client states version and name in `_meta` of each request and there is no handshake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from pydantic import ValidationError

from ..interface.atomic_store import Change
from ..values.errors import VersionConflict
from ..values.jsonrpc import RpcHead
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction, SessionState

__all__ = [
    "Offer",
    "Result",
    "ending",
    "implied_change",
    "is_settled",
    "read_offer",
    "read_result",
    "trim_offer",
]

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
_SERVER_KEY = "io.modelcontextprotocol/serverInfo"

_LONGEST_VERSION = 64
_LONGEST_PARAMS = 4_096
"""Bytes of a message; the client info of a longer one is not kept with its offer."""


class _Meta(msgspec.Struct, frozen=True):
    version: str | None = msgspec.field(default=None, name=_VERSION_KEY)
    client: dict[str, Any] | None = msgspec.field(default=None, name=_CLIENT_KEY)
    server: dict[str, Any] | None = msgspec.field(default=None, name=_SERVER_KEY)


class _Params(msgspec.Struct, frozen=True):
    version: str | None = msgspec.field(default=None, name="protocolVersion")
    client: dict[str, Any] | None = msgspec.field(default=None, name="clientInfo")
    meta: _Meta = msgspec.field(default=_Meta(), name="_meta")


class Result(msgspec.Struct, frozen=True):
    """The server and the version that a result names."""

    version: str | None = msgspec.field(default=None, name="protocolVersion")
    server: dict[str, Any] | None = msgspec.field(default=None, name="serverInfo")
    meta: _Meta = msgspec.field(default=_Meta(), name="_meta")


@dataclass(frozen=True, slots=True)
class Offer:
    """The version that a client's request names, kept until the request is answered."""

    initializes: bool
    """Whether it is `initialize`; otherwise it names its version as in 2026-07-28."""
    version: str | None
    client: dict[str, Any] | None


def read_offer(envelope: MessageEnvelope, head: RpcHead) -> Offer | None:
    """Return the offer in a request of the client; None for nearly all messages."""
    if envelope.context.direction is not Direction.CLIENT_TO_SERVER or head.id is msgspec.UNSET:
        return None
    initializes = head.method == "initialize"
    # A cheap test on the bytes first: most messages are not worth parsing further. Only the ends
    # of the keys: some encoders write the slash in them as `\/`.
    if not initializes and b'protocolVersion"' not in _text(envelope, head.params):
        return None
    if head.method is msgspec.UNSET:
        return None
    params = _Params()
    if isinstance(head.params, msgspec.Raw):
        try:
            params = msgspec.json.decode(head.params, type=_Params)
        except msgspec.MsgspecError:
            params = _Params()
    version, client = params.version, params.client
    if not initializes:
        version, client = params.meta.version, params.meta.client
    if version is not None and not 0 < len(version) <= _LONGEST_VERSION:
        version = None
    if version is None and not initializes:
        return None
    return Offer(initializes, version, client)


def trim_offer(offer: Offer, head: RpcHead) -> Offer:
    """Return an offer to be kept: without client info that is too large."""
    large = isinstance(head.params, msgspec.Raw) and len(bytes(head.params)) > _LONGEST_PARAMS
    return replace(offer, client=None) if large else offer


def read_result(envelope: MessageEnvelope, head: RpcHead) -> Result | None:
    """Return the part of a server's result that can settle a version; None for nearly all."""
    if envelope.context.direction is Direction.CLIENT_TO_SERVER:
        return None
    if not isinstance(head.result, msgspec.Raw):
        return None
    text = _text(envelope, head.result)
    if b'protocolVersion"' not in text and b'serverInfo"' not in text:
        return None
    try:
        result = msgspec.json.decode(head.result, type=Result)
    except msgspec.MsgspecError:
        return None
    return None if result.version is None and result.meta.server is None else result


def _text(envelope: MessageEnvelope, part: msgspec.Raw | msgspec.UnsetType) -> bytes:
    """Return the bytes to parse: of a batch only the part of this message."""
    message = envelope.message
    if message[:1] == b"{":
        return message
    return bytes(part) if isinstance(part, msgspec.Raw) else b""


def implied_change(
    envelope: MessageEnvelope,
    head: RpcHead,
    *,
    offer: Offer | None,
    result: Result | None,
    answered: Sequence[Offer],
) -> Change | None:
    """Return the change of its session that a message implies; None for nearly all of them.

    `offer` or `result` is the message's own. `answered` are the offers that a result may belong to:
    several only if their requests had one id, and then it settles what they have in common.
    """
    if envelope.context.direction is Direction.CLIENT_TO_SERVER:
        if head.method == "notifications/initialized":
            return _activate
        if offer is None or offer.version is None:
            return None
        return lambda session: _request(session, offer.version, offer.client)
    return None if result is None else _settle(result, answered)


def ending(state: SessionState, failure: str | None) -> Change:
    """Return the change that ends a session; a session that has ended in this way is unchanged."""

    def end(session: Session) -> Session:
        if session.state is state:
            return session
        return session.model_copy(update={"state": state, "failure": failure})

    return end


def is_settled(session: Session) -> bool:
    """Whether no result can settle the version of the session any more.

    A client that does not wait sends `initialized` before the result of `initialize`. Then the
    session is active, and its version is not yet settled.
    """
    versions, state = session.version_state, session.state
    asked = versions.requested is not None and versions.negotiated is None
    is_open = state is SessionState.INITIALIZING or (state is SessionState.ACTIVE and asked)
    return not is_open


def _settle(result: Result, answered: Sequence[Offer]) -> Change | None:
    # No request but `initialize` is answered with a version.
    handshakes = [offer for offer in answered if offer.initializes]
    if result.version is not None and handshakes:
        return lambda session: _negotiate(
            session, result.version, result.server, _in_common(handshakes)
        )
    # Without a handshake, the first result that names its server shows that both sides agree.
    common = _in_common([offer for offer in answered if not offer.initializes])
    if result.meta.server is not None and common is not None:
        return lambda session: _discover(session, common, result.meta.server)
    return None


def _in_common(offers: Sequence[Offer]) -> Offer | None:
    """Return what all offers have in common; None if they differ in their version."""
    if len({offer.version for offer in offers}) != 1:
        return None
    first = offers[0]
    return first if all(offer == first for offer in offers) else replace(first, client=None)


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


def _negotiate(
    session: Session, version: str | None, server: dict[str, Any] | None, offer: Offer | None
) -> Session:
    if version is None or is_settled(session):
        return session
    versions, client = session.version_state, session.client_info
    try:
        # Another request may have come since: the answered one is the one that counts.
        if offer is not None and offer.version is not None and versions.requested is not None:
            versions = versions.request(offer.version)
            if client is not None and offer.client is not None:
                client = offer.client  # type: ignore[assignment]  # validated below
        return session.model_copy(
            update={
                "client_info": client,
                "server_info": server,
                "version_state": versions.negotiate(version),
            }
        )
    except (ValidationError, VersionConflict):
        return session


def _discover(session: Session, offer: Offer, server: dict[str, Any] | None) -> Session:
    if session.version_state.requested is None:
        return session  # it named no valid version, or no valid client
    changed = _negotiate(session, offer.version, server, offer)
    return changed if changed is session else _activate(changed)


def _activate(session: Session) -> Session:
    if session.state is not SessionState.INITIALIZING:
        return session
    return session.model_copy(update={"state": SessionState.ACTIVE})
