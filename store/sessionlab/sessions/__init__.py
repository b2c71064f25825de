"""Histories: what they are made of, how they are recorded, written and read."""

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
