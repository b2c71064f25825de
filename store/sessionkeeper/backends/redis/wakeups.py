"""Wake-ups that also come from other processes while somebody watches."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

from ...interface.wakeups import StoreWakeups, Wakeup
from .client.call import Argument, Call
from .client.servers import Servers
from .delivery.writer_log import fixed_keys
from .keys import Bucket, Keys
from .scripts import script, with_ttl
from .stream_reader import StreamReader

__all__ = ["RemoteWakeups", "enable_change_feed"]

ENABLE_CHANGE_FEED = script("enable_change_feed")


class RemoteWakeups(StoreWakeups):
    """The wake-ups of one store, by its own operations and by those of other processes."""

    __slots__ = ("_keys", "_reader")

    def __init__(self) -> None:
        super().__init__()
        self._reader: StreamReader | None = None

    def connect(self, servers: Servers, keys: Keys, writer: str, *, ttl: int | None = None) -> None:
        """Read the change feed from these servers."""
        self._keys = keys
        self._reader = StreamReader(
            servers, keys, self, partial(enable_change_feed, writer, ttl=ttl)
        )

    async def aclose(self) -> None:
        """Stop reading, and wake all watchers: the store has ended."""
        if self._reader is not None:
            await self._reader.aclose()
        self.notify_all()

    @contextmanager
    def register(self, session_id: str, wakeup: Wakeup) -> Generator[None]:
        """Have something woken by the wake-ups of a session while the block runs."""
        reader = self._reader
        with super().register(session_id, wakeup):
            if reader is None:
                yield
                return
            bucket = self._keys.find_bucket(session_id).number
            reader.watch(bucket)
            try:
                yield
            finally:
                reader.release(bucket)


def enable_change_feed(
    writer: str, bucket: Bucket, seconds: float, *, ttl: int | None = None
) -> Call:
    """Make the call that enables the change feed of a bucket for some seconds."""
    enabling = ENABLE_CHANGE_FEED if ttl is None else with_ttl(ENABLE_CHANGE_FEED, ttl)
    fixed = fixed_keys(bucket, writer)
    command: list[Argument] = [
        "EVALSHA",
        enabling.digest,
        len(fixed),
        *fixed,
        "",
        round(seconds * 1e6),
    ]
    return Call(bucket.number, command, enabling)
