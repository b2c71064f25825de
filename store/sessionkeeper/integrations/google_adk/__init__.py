"""Google ADK's session service on any store, without a lost event.

Rule: one step of the store for each thing that ADK calls one; what takes two is said where it does.
Read `places`, `documents`, `events`, then `service` with `reading` and `writing`.
"""

from __future__ import annotations

try:
    from .service import StoreSessionService
except ImportError as missing:
    if (missing.name or "").partition(".")[0] != "google":
        raise
    raise ImportError(
        "sessionkeeper.integrations.google_adk needs google-adk 2.13:"
        " pip install 'sessionkeeper[google-adk]'"
    ) from missing

__all__ = ["StoreSessionService"]
