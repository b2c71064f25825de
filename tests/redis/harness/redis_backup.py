"""Old data beneath an open store, as a server has them that comes back from a snapshot."""

from __future__ import annotations

from collections.abc import Callable

from redis_server import RedisServer

__all__ = ["back_up_keys"]


def back_up_keys(server: RedisServer, prefix: str) -> Callable[[], None]:
    """Copy all keys of a store on one server; return what puts the copy in their place."""
    pattern = f"{{{prefix}:*"
    with server.client(decode_responses=False) as client:
        keys = [*client.scan_iter(pattern)]
        kept = {key: (client.dump(key) or b"", client.pttl(key)) for key in keys}
    assert kept

    def restore() -> None:
        with server.client(decode_responses=False) as client:
            # One step: the store may not see half of it.
            step = client.pipeline(transaction=True)
            step.delete(*client.scan_iter(pattern))
            for key, (value, left) in kept.items():
                step.restore(key, max(0, left), value)
            step.execute()

    return restore
