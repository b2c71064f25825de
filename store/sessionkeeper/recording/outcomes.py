"""What becomes of the lines of a proxy."""

from __future__ import annotations

import enum

__all__ = ["LineOutcome"]


class LineOutcome(enum.StrEnum):
    """What happened to a line."""

    RECORDED = "recorded"
    ODD = "odd"
    """Recorded, too, but no JSON-RPC message."""
    ASIDE = "aside"
    """Recorded, too, but no line of the protocol: of standard error."""
    OVERSIZED = "oversized"
    """Recorded as a gap."""
    NOT_JSON = "not JSON"
    REFUSED = "refused"
    DROPPED = "dropped"
    FAILED = "failed"
