"""A client that sends again what got no answer, as redis-py does unless told otherwise."""

from __future__ import annotations

from typing import ClassVar

from .lists_on_server import ListsOnServer

__all__ = ["ClientRetries"]


class ClientRetries(ListsOnServer):
    """Duplicate: the answer to an append was lost, not the append, and it is done once more."""

    retries: ClassVar[int] = 3
