"""The negotiation of a protocol version, as a change of the session: the first one decides.

Source: MCP specification 2025-11-25, lifecycle, "Version Negotiation".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..interface.atomic_store import Change
from ..values.errors import SessionClosed
from ..values.session import Session
from ..values.version import VersionState

__all__ = ["agreed_version", "negotiation"]


def agreed_version(requested: str, supported: Sequence[str]) -> str:
    """Return the requested version if it is supported, else the newest supported one."""
    return requested if requested in supported else max(supported)


def negotiation(requested: str, supported: Sequence[str]) -> Change:
    """Return the change that sets the negotiated version.

    Raises `TypeError`, `ValueError` for a malformed version. The change raises `VersionConflict` if
    another version is negotiated already, `SessionClosed` if the session has ended.
    """
    if not isinstance(requested, str):
        raise TypeError(f"a protocol version is a str, not {type(requested).__name__}")
    VersionState(requested=requested)  # raises what `change` would, before anything is sent
    version = agreed_version(requested, supported)

    def change(session: Session) -> Session:
        if session.state.is_terminal:
            raise SessionClosed(session.id, session.state)
        before = session.version_state
        if before.negotiated == version:
            return session
        # Negotiate first: with another version negotiated, this request is the conflict.
        after = before.negotiate(version).model_copy(update={"requested": requested})
        return session.model_copy(update={"version_state": after})

    return change
