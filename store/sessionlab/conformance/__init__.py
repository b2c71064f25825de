"""The conformance kit: tests that any store inherits, one for each promise.

Rule: a test checks a promise of the contract, and only one that the store declares. Read
`kit`, `suites`, then a promise.
"""

from __future__ import annotations

import pkgutil

import pytest

# So that a failing assertion shows both sides; it must come before the topics are imported.
pytest.register_assert_rewrite(
    *(f"{__name__}.{each.name}" for each in pkgutil.iter_modules(__path__))
)

from .kit import REFUSABLE, Restore  # noqa: E402
from .suites import AtomicSessionStoreConformance, SessionStoreConformance  # noqa: E402

__all__ = [
    "REFUSABLE",
    "AtomicSessionStoreConformance",
    "Restore",
    "SessionStoreConformance",
]
