"""Sessions and their append-only protocol messages, kept by one owner task.

Every name here comes from one of four wings, which say more in their `__init__`: `values`,
`interface`, `stores`, `manager`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interface import (
        AtomicSessionStore,
        Change,
        FrameWatcher,
        SessionStore,
    )
    from .manager import (
        KNOWN_VERSIONS,
        HookFailure,
        HookStatistics,
        LatencyStatistics,
        ManagerConfig,
        ManagerStatistics,
        PendingRequest,
        PrincipalManager,
        RequestStatistics,
        SessionHooks,
        SessionManager,
        ShutdownReport,
        SweeperStatistics,
    )
    from .stores import (
        ActorSessionStore,
        FrameReader,
        LockedSessionStore,
        MemoryBackend,
        OwnedSessionStore,
        PlainSessionStore,
        RedisBackend,
        RedisSessionStore,
        RestoreReport,
        SQLiteBackend,
        SQLiteSessionStore,
        StorageBackend,
        StorageFactory,
        ThreadedSessionStore,
        ThreadSafeSessionStore,
        backend_from_url,
        restore_backup,
        threaded,
    )
    from .values import (
        Atomicity,
        BackendNotImplemented,
        Clock,
        Counters,
        Delivery,
        Direction,
        Durability,
        FileStatistics,
        Frame,
        FramesFull,
        FrozenDict,
        FrozenList,
        Gap,
        Guarantees,
        HttpDelivery,
        InvalidMessage,
        InvalidSessionId,
        InvalidTransition,
        JsonValue,
        Lease,
        LimitExceeded,
        Listener,
        LogReplaced,
        MessageContext,
        MessageEnvelope,
        MessageKind,
        OutcomeUnknown,
        Overloaded,
        RateLimited,
        RequestId,
        RevisionConflict,
        Scope,
        SequenceConflict,
        ServerStatistics,
        Session,
        SessionClosed,
        SessionError,
        SessionEvent,
        SessionEventKind,
        SessionExists,
        SessionId,
        SessionNotFound,
        SessionPage,
        SessionQuery,
        SessionsFull,
        SessionState,
        SessionStatus,
        SseDelivery,
        StdioDelivery,
        StoreClosed,
        StoreLimits,
        StoreStatistics,
        StoreUnavailable,
        TransportType,
        VersionConflict,
        VersionState,
        checked_id,
        freeze,
        lease_of,
        new_session_id,
        session_id_for,
        thaw,
    )

__all__ = [
    # stores
    "ActorSessionStore",
    "AtomicSessionStore",
    "Change",
    "Clock",
    "Counters",
    "FileStatistics",
    "ServerStatistics",
    "FrameWatcher",
    "FramesFull",
    "Listener",
    "LockedSessionStore",
    "OwnedSessionStore",
    "PlainSessionStore",
    "RedisSessionStore",
    "SQLiteSessionStore",
    "SessionEvent",
    "SessionEventKind",
    "SessionStore",
    "SessionsFull",
    "StoreLimits",
    "StoreStatistics",
    "ThreadSafeSessionStore",
    "ThreadedSessionStore",
    "threaded",
    # what they promise
    "Atomicity",
    "Durability",
    "Guarantees",
    "Scope",
    # backups
    "RestoreReport",
    "restore_backup",
    # which one
    "MemoryBackend",
    "RedisBackend",
    "SQLiteBackend",
    "StorageBackend",
    "StorageFactory",
    "backend_from_url",
    # the manager
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
    # values
    "Delivery",
    "Direction",
    "Frame",
    "FrameReader",
    "FrozenDict",
    "FrozenList",
    "Gap",
    "HttpDelivery",
    "JsonValue",
    "Lease",
    "MessageContext",
    "MessageEnvelope",
    "MessageKind",
    "RequestId",
    "Session",
    "SessionId",
    "SessionPage",
    "SessionQuery",
    "SessionState",
    "SessionStatus",
    "SseDelivery",
    "StdioDelivery",
    "TransportType",
    "VersionState",
    "checked_id",
    "freeze",
    "lease_of",
    "new_session_id",
    "session_id_for",
    "thaw",
    # errors
    "BackendNotImplemented",
    "InvalidMessage",
    "InvalidSessionId",
    "InvalidTransition",
    "LimitExceeded",
    "LogReplaced",
    "OutcomeUnknown",
    "Overloaded",
    "RateLimited",
    "RevisionConflict",
    "SequenceConflict",
    "SessionClosed",
    "SessionError",
    "SessionExists",
    "SessionNotFound",
    "StoreClosed",
    "StoreUnavailable",
    "VersionConflict",
]

_WINGS = ("values", "interface", "stores", "manager")


# A wing is imported when one of its names is first used (PEP 562): a program pays for what it
# needs. Type checkers read the imports above; a test holds them to the wings.
def __getattr__(name: str) -> object:
    if name in __all__:
        for wing in _WINGS:
            module = import_module(f".{wing}", __name__)
            if name in module.__all__:
                value: object = getattr(module, name)
                globals()[name] = value  # the next use finds it at once
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
