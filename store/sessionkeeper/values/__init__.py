"""The values that travel: sessions, messages, errors, limits, events.

Rule: a value is frozen and depends on no store. Nothing here awaits, and nothing here imports
another wing. Read `states`, `errors`, `session`, `message`, then the rest as needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from .jsonrpc import RequestId
    from .kinds import MessageKind
    from .lease import Lease, lease_of
    from .limits import FramesFull, SessionsFull, StoreLimits
    from .message import Frame, MessageEnvelope
    from .message_context import MessageContext
    from .query import FrameSearch, SessionOrder, SessionPage, SessionQuery
    from .session import Session
    from .states import Direction, SessionState, SessionStatus, TransportType
    from .statistics import (
        Counters,
        FileStatistics,
        PostgresStatistics,
        ServerStatistics,
        StoreStatistics,
    )
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
    "FrameSearch",
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
    "PostgresStatistics",
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

_NAMES = {
    "clock": ("Clock",),
    "delivery": ("Delivery", "HttpDelivery", "SseDelivery", "StdioDelivery"),
    "errors": (
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
    ),
    "events": ("Listener", "SessionEvent", "SessionEventKind"),
    "frozen": ("FrozenDict", "FrozenList", "JsonValue", "freeze", "thaw"),
    "gap": ("Gap",),
    "guarantees": ("Atomicity", "Durability", "Guarantees", "Scope"),
    "ids": ("SessionId", "checked_id", "new_session_id", "session_id_for"),
    "jsonrpc": ("RequestId",),
    "kinds": ("MessageKind",),
    "lease": ("Lease", "lease_of"),
    "limits": ("FramesFull", "SessionsFull", "StoreLimits"),
    "message": ("Frame", "MessageEnvelope"),
    "message_context": ("MessageContext",),
    "query": ("FrameSearch", "SessionOrder", "SessionPage", "SessionQuery"),
    "session": ("Session",),
    "states": ("Direction", "SessionState", "SessionStatus", "TransportType"),
    "statistics": (
        "Counters",
        "FileStatistics",
        "PostgresStatistics",
        "ServerStatistics",
        "StoreStatistics",
    ),
    "version": ("VersionState",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


# A value's module is imported when its name is used (PEP 562): a recorder starts its server before
# it needs pydantic. A test compares the table with the imports above.
def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value  # the next use finds it at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
