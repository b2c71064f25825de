"""Tells whether a row is the only holder of its snapshot, which it may then bring up to date.

An interpreter that counts references knows it, as it does for the tuples of its own `zip`. Nobody
can see an object change that nobody else can reach. A weak reference reaches it, too, and so does
whoever holds its `__dict__`.
"""

from __future__ import annotations

import sys
from sys import getrefcount

from ..values.session import Session

__all__ = ["COUNTS_REFERENCES", "is_sole_holder"]

COUNTS_REFERENCES = (
    sys.implementation.name == "cpython"
    and sys.version_info < (3, 14)
    and "free-threading" not in sys.version
)
"""From 3.14 on, an interpreter may lend a reference without counting it. One without a global lock
counts in another way."""
_EVERY_FIELD = Session._every_field  # pyright: ignore[reportPrivateUsage]
_SESSION, _FIELDS = (3, 2) if COUNTS_REFERENCES else (-1, -1)
"""References to a session when `is_sole_holder(row.session)` is called: of the row, the parameter
and the argument. References to its fields: of the session and the argument."""


def is_sole_holder(session: Session, /) -> bool:
    """Return whether only the attribute from which `session` is passed here refers to it.

    False if in doubt, and for a session that `trusted` did not make.
    """
    return (
        getrefcount(session) == _SESSION
        and getrefcount(session.__dict__) == _FIELDS
        and session.__weakref__ is None  # type: ignore[attr-defined]  # every class has it
        # It would show which fields its maker gave.
        and session.__pydantic_fields_set__ is _EVERY_FIELD
    )
