"""Reads recordings: calls, what became of them, and what is worth a look.

Rule: nothing here writes. Read `call`, `facts`, `refusals`, `pairing`, `tracker`, `reading` and
`tallying`. Then `walking`, which reads a log once for all that follows: `problem` and `problems`,
`statistics`, `context_cost` and `context_meter`, `runs`, and `search`. These are imported when they
are used.
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
