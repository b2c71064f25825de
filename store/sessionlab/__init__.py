"""Atomicity that is shown, not claimed: histories, models, the checker, names of anomalies."""

from __future__ import annotations

from .anomalies.naming import Anomaly, AnomalyKind, find_anomalies
from .linearizability.checker import (
    Blocked,
    CheckResult,
    Counterexample,
    Finding,
    Grade,
    Guarantee,
    Layer,
    Verdict,
    check,
    grade,
)
from .models import MODELS, AnyModel, KeyValue, Model, Register, SessionStoreModel, find_model
from .sessions import (
    Header,
    History,
    HistoryFormat,
    Operation,
    Outcome,
    Plain,
    RecordingStore,
    read_history,
    write_history,
)

__all__ = [
    # histories
    "Header",
    "History",
    "HistoryFormat",
    "Operation",
    "Outcome",
    "Plain",
    "RecordingStore",
    "read_history",
    "write_history",
    # models
    "MODELS",
    "AnyModel",
    "KeyValue",
    "Model",
    "Register",
    "SessionStoreModel",
    "find_model",
    # the checker
    "Blocked",
    "CheckResult",
    "Counterexample",
    "Finding",
    "Grade",
    "Guarantee",
    "Layer",
    "Verdict",
    "check",
    "grade",
    # what went wrong
    "Anomaly",
    "AnomalyKind",
    "find_anomalies",
]
