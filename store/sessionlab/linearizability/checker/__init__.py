"""The checker: it knows histories and models, and nothing of what is stored."""

from __future__ import annotations

from .check import check
from .grades import Grade, Guarantee, grade
from .verdict import Blocked, CheckResult, Counterexample, Finding, Layer, Verdict

__all__ = [
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
]
