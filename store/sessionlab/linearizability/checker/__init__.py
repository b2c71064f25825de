"""The checker: it finds an order of a history that a model accepts, or shows that there is none.

Rule: it knows histories and models, and nothing about what is stored. Three layers, cheapest
first: `version_order` proves OK, `invariants` and `logs` prove ILLEGAL, `search` proves both. Read
`verdict`, `check`, `partition`, `search`, `transitions`, `unknown_outcomes`, then `shrink`,
`counter` and `grades`.
"""

from __future__ import annotations

from .check import check
from .grades import Grade, Guarantee, grade
from .verdict import Blocked, CheckResult, Contradiction, Counterexample, Layer, Verdict

__all__ = [
    "Blocked",
    "CheckResult",
    "Counterexample",
    "Contradiction",
    "Grade",
    "Guarantee",
    "Layer",
    "Verdict",
    "check",
    "grade",
]
