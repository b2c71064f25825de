"""The protocol version of a session, which cannot change once it is negotiated."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from .bounds import MAX_VERSION, at_most
from .errors import VersionConflict
from .value import Value

__all__ = ["ProtocolVersion", "VersionState"]

ProtocolVersion = Annotated[str, StringConstraints(strict=True, min_length=1), at_most(MAX_VERSION)]


class VersionState(Value):
    """The requested version, the negotiated one, and the one in the transport's header.

    Once negotiated there is no renegotiation and no downgrade, and a transport header must match.
    Source: MCP specification 2025-11-25, lifecycle and transports, "Protocol Version Header".
    """

    requested: ProtocolVersion | None = None
    negotiated: ProtocolVersion | None = None
    transport: ProtocolVersion | None = None

    def request(self, version: str, /) -> VersionState:
        """Note what the client asks for. Raises `VersionConflict` once another is negotiated."""
        self._check(version)
        return self.model_copy(update={"requested": version})

    def negotiate(self, version: str, /) -> VersionState:
        """Settle on a version. Raises `VersionConflict` once another is negotiated."""
        self._check(version)
        if self.transport is not None and self.transport != version:
            raise VersionConflict(negotiated=version, offered=self.transport)
        return self.model_copy(update={"negotiated": version})

    def match_transport(self, version: str, /) -> VersionState:
        """Note the transport's header. Raises `VersionConflict` when it does not match."""
        self._check(version)
        return self.model_copy(update={"transport": version})

    def check_follows(self, before: VersionState) -> None:
        """Raise `VersionConflict` unless this may follow `before`."""
        if before.negotiated is not None and self.negotiated != before.negotiated:
            raise VersionConflict(negotiated=before.negotiated, offered=self.negotiated or "none")
        if self.negotiated is not None and self.transport not in (None, self.negotiated):
            raise VersionConflict(negotiated=self.negotiated, offered=str(self.transport))

    def _check(self, version: str) -> None:
        if self.negotiated is not None and version != self.negotiated:
            raise VersionConflict(negotiated=self.negotiated, offered=version)
