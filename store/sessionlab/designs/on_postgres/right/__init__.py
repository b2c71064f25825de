"""The right designs: each keeps what it promises in another way.

Rule: one file and one way per design. Read `update_returning`, `unique_and_retry`, `serializable`,
`idempotency_key`.
"""

from __future__ import annotations

from .idempotency_key import IdempotencyKey
from .serializable import Serializable
from .unique_and_retry import UniqueAndRetry
from .update_returning import UpdateReturning

__all__ = ["IdempotencyKey", "Serializable", "UniqueAndRetry", "UpdateReturning"]
