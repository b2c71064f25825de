"""Histories of session stores: recording them, and the model that judges them.

Rule: the model shares no rule with the store. Read `recording`, `recorded_call`, `layout`, then
`model`.
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
