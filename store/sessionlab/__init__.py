"""The laboratory: it shows whether a store is atomic, and how fast it is.

Rule: the store never imports the laboratory, and a wing imports only the wings below it. This
module exports what checks a history; the rest is exported by its wing. Read in this order:
`linearizability/` and `explore/` (they know no session), `sessions/` and `models` (recording, and
the model of a store), `anomalies/`, then `conformance/`, `designs/`, `bench/` and `cli/`.
"""

from __future__ import annotations

from .anomalies.naming import Anomaly, AnomalyKind, find_anomalies
from .linearizability.checker import (
    Blocked,
    CheckResult,
    Contradiction,
    Counterexample,
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
    "Contradiction",
    "Counterexample",
    "Grade",
    "Guarantee",
    "Layer",
    "Verdict",
    "check",
    "grade",
    # anomalies
    "Anomaly",
    "AnomalyKind",
    "find_anomalies",
]
