"""A client that sends a command again after a lost reply, as redis-py does by default."""

from __future__ import annotations

from typing import ClassVar

from .lists_on_server import ListsOnServer

__all__ = ["ClientRetries"]


class ClientRetries(ListsOnServer):
    """Duplicate: the reply to an append was lost, not the append; it is sent and applied again."""

    retries: ClassVar[int] = 3
