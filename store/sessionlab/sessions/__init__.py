"""Histories of session stores: the store that records them, and the model that checks them.

Rule: the model shares no rule with the store, so the two can disagree. Read `recording`,
`recorded_call`, `plain_data` and `layout` (the data in a history), then `model/`.
"""

from __future__ import annotations

from ..linearizability.history.operation import Header, History, Operation, Outcome, Plain
from ..linearizability.history.reading import HistoryFormat, read_history, write_history
from .recording import RecordingStore

__all__ = [
    "Header",
    "History",
    "HistoryFormat",
    "Operation",
    "Outcome",
    "Plain",
    "RecordingStore",
    "read_history",
    "write_history",
]
