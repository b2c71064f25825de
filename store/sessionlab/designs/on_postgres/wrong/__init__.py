"""The wrong designs on PostgreSQL: what people write, each with one mistake.

Rule: one file and one mistake per design, and the docstring begins with the name of its anomaly.
"""

from __future__ import annotations

from .commit_again import CommitAgain
from .conflict_do_nothing import ConflictDoNothing
from .listen_after_look import ListenAfterLook
from .lock_in_one_statement import LockInOneStatement
from .max_plus_one import MaxPlusOne
from .select_then_update import SelectThenUpdate
from .serial_number import SerialNumber
from .serialization_ignored import SerializationIgnored

__all__ = [
    "CommitAgain",
    "ConflictDoNothing",
    "ListenAfterLook",
    "LockInOneStatement",
    "MaxPlusOne",
    "SelectThenUpdate",
    "SerialNumber",
    "SerializationIgnored",
]
