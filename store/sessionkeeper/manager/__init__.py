"""The life of sessions above a store: recording, requests, rates, hooks, sweeping, closing.

Rule: the manager holds a store through the interface only. Read `manager`, `operations`,
`recording` with `exchanges`, `requests`, then `services` and `shutdown`.
"""

from __future__ import annotations

from .config import KNOWN_VERSIONS, ManagerConfig
from .hooks import HookFailure, SessionHooks
from .manager import SessionManager
from .pending import PendingRequest
from .principal import PrincipalManager
from .shutdown import ShutdownReport
from .statistics import (
    HookStatistics,
    LatencyStatistics,
    ManagerStatistics,
    RequestStatistics,
    SweeperStatistics,
)

__all__ = [
    "KNOWN_VERSIONS",
    "HookFailure",
    "HookStatistics",
    "LatencyStatistics",
    "ManagerConfig",
    "ManagerStatistics",
    "PendingRequest",
    "PrincipalManager",
    "RequestStatistics",
    "SessionHooks",
    "SessionManager",
    "ShutdownReport",
    "SweeperStatistics",
]
