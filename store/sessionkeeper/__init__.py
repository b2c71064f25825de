"""Sessions and their append-only protocol messages, kept by one owner task."""

from __future__ import annotations

from .interface.atomic_store import AtomicSessionStore, Change
from .interface.frame_watcher import FrameWatcher
from .interface.session_store import SessionStore
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
from .stores.actor import ActorSessionStore
from .stores.config import (
    MemoryBackend,
    RedisBackend,
    SQLiteBackend,
    StorageBackend,
    backend_from_url,
)
from .stores.factory import StorageFactory
from .stores.redis import RedisSessionStore
from .stores.sqlite import SQLiteSessionStore
from .stores.third_party import OwnedSessionStore
from .stores.threads.facade import ThreadSafeSessionStore
from .stores.threads.frame_reader import FrameReader
from .stores.unqueued import LockedSessionStore, PlainSessionStore
from .values.clock import Clock
from .values.errors import (
    BackendNotImplemented,
    InvalidMessage,
    InvalidSessionId,
    InvalidTransition,
    LimitExceeded,
    LogReplaced,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionError,
    SessionExists,
    SessionNotFound,
    StoreClosed,
    StoreUnavailable,
    VersionConflict,
)
from .values.events import Listener, SessionEvent, SessionEventKind
from .values.frozen import FrozenDict, FrozenList, JsonValue, freeze, thaw
from .values.guarantees import Atomicity, Durability, Guarantees, Scope
from .values.ids import SessionId, checked_id, new_session_id
from .values.jsonrpc import MessageKind, RequestId
from .values.limits import FramesFull, SessionsFull, StoreLimits
from .values.message import (
    Delivery,
    Frame,
    HttpDelivery,
    MessageContext,
    MessageEnvelope,
    SseDelivery,
    StdioDelivery,
)
from .values.query import SessionPage, SessionQuery
from .values.session import Session
from .values.states import Direction, SessionState, SessionStatus, TransportType
from .values.statistics import Counters, FileStatistics, ServerStatistics, StoreStatistics
from .values.version import VersionState

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
    # what they promise
    "Atomicity",
    "Durability",
    "Guarantees",
    "Scope",
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
    "HttpDelivery",
    "JsonValue",
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
    "new_session_id",
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
