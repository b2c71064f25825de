"""Reads recordings: calls, and what became of them.

Rule: nothing here writes, and no file but `reading` and `tallying` asks a store. Read `call`,
`facts`, `pairing`, `tracker`, `reading`, `tallying`.
"""

from __future__ import annotations

from .call import Call, CallFilter, CallId, CallOutcome
from .pairing import OddityKind, PairingOddity
from .reading import calls
from .tallying import TALLY_KEY, CallTally, tally
from .tracker import CallTracker

__all__ = [
    "Call",
    "CallFilter",
    "CallId",
    "CallOutcome",
    "CallTally",
    "CallTracker",
    "OddityKind",
    "PairingOddity",
    "TALLY_KEY",
    "calls",
    "tally",
]
