"""The values that travel: sessions, messages, errors, limits, events.

Rule: a value is frozen and depends on no store. Nothing here awaits, and nothing here imports
another wing. Read `states`, `errors`, `session`, `message`, then the rest as needed.
"""

from __future__ import annotations

from .clock import Clock
from .delivery import Delivery, HttpDelivery, SseDelivery, StdioDelivery
from .errors import (
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
from .events import Listener, SessionEvent, SessionEventKind
from .frozen import FrozenDict, FrozenList, JsonValue, freeze, thaw
from .gap import Gap
from .guarantees import Atomicity, Durability, Guarantees, Scope
from .ids import SessionId, checked_id, new_session_id, session_id_for
from .jsonrpc import MessageKind, RequestId
from .lease import Lease, lease_of
from .limits import FramesFull, SessionsFull, StoreLimits
from .message import Frame, MessageContext, MessageEnvelope
from .query import SessionOrder, SessionPage, SessionQuery
from .session import Session
from .states import Direction, SessionState, SessionStatus, TransportType
from .statistics import Counters, FileStatistics, ServerStatistics, StoreStatistics
from .version import VersionState

__all__ = [
    # sessions
    "Session",
    "Lease",
    "lease_of",
    "SessionId",
    "checked_id",
    "new_session_id",
    "session_id_for",
    "Direction",
    "SessionState",
    "SessionStatus",
    "TransportType",
    "VersionState",
    "SessionOrder",
    "SessionPage",
    "SessionQuery",
    # messages
    "Delivery",
    "Frame",
    "Gap",
    "HttpDelivery",
    "MessageContext",
    "MessageEnvelope",
    "SseDelivery",
    "StdioDelivery",
    "MessageKind",
    "RequestId",
    # JSON
    "FrozenDict",
    "FrozenList",
    "JsonValue",
    "freeze",
    "thaw",
    # limits and what they refuse
    "FramesFull",
    "SessionsFull",
    "StoreLimits",
    # what a store promises
    "Atomicity",
    "Durability",
    "Guarantees",
    "Scope",
    # what a store tells
    "Listener",
    "SessionEvent",
    "SessionEventKind",
    "Counters",
    "FileStatistics",
    "ServerStatistics",
    "StoreStatistics",
    # time
    "Clock",
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
