"""The layout of a store on its servers. The first opening decides it."""

from __future__ import annotations

from dataclasses import dataclass

from ...values.errors import StoreUnavailable
from .client.call import Answer, Call, DeliveryStatus, Refused
from .client.refusals import error_for
from .client.servers import Servers
from .codec import Unreadable, read_counter
from .keys import MAX_BUCKETS, Keys
from .scripts import script

__all__ = ["VERSION", "Layout", "agree"]

VERSION = 2
"""The newest version that this library reads; of a store in which frames were removed.

In such a store a library that knows only version 1 would show frames with wrong numbers.
"""
_FIRST_VERSION = 1
LAYOUT = script("layout")


@dataclass(frozen=True, slots=True)
class Layout:
    """What was decided when the store was made. It never changes."""

    buckets: int
    ttl: int | None
    """Milliseconds from the last write to a session until the server frees it; None for never."""

    def call(self, keys: Keys) -> Call:
        """Make the call that stores this layout, unless there is one. The answer is the layout."""
        settings = (_FIRST_VERSION, self.buckets, "" if self.ttl is None else self.ttl)
        return Call(0, ("EVALSHA", LAYOUT.digest, 1, keys.layout, *settings), LAYOUT)

    def matches(self, answer: Answer) -> bool:
        """Whether the answer to `call` is this layout."""
        version, *settings = _read(answer)
        return version <= VERSION and settings == [self.buckets, self.ttl]


async def agree(
    servers: Servers,
    keys: Keys,
    *,
    strict: bool,
    ttl: int | None = None,
    must_exist: bool = False,
) -> Layout:
    """Return the layout of the store. A new store gets the buckets of the keys and this ttl.

    Raises `StoreUnavailable` for a store of a newer version or another ttl; with `strict` also for
    another number of buckets. With `must_exist` it raises for a store that does not exist, and
    writes nothing.
    """
    wanted = len(keys.buckets)
    if must_exist:
        call = Call(0, ("HMGET", keys.layout, "version", "buckets", "ttl"))
    else:
        call = Layout(wanted, ttl).call(keys)
    (answer,) = await servers.exchange([call])
    if isinstance(answer, Refused):
        raise error_for(servers.name, answer)
    if isinstance(answer, DeliveryStatus):
        raise StoreUnavailable(servers.last_error or f"{servers.name} does not answer")
    if None in answer[:2]:
        raise StoreUnavailable(f"there is no store {keys.prefix!r} on {servers.name}")
    name = f"the store {keys.prefix!r} on {servers.name}"
    try:
        version, buckets, stored_ttl = _read(answer)
    except Unreadable:
        raise StoreUnavailable(f"the layout of {name} cannot be read") from None
    if version > VERSION:
        raise StoreUnavailable(f"{name} has version {version}, newer than this library")
    if not 1 <= buckets <= MAX_BUCKETS or (stored_ttl is not None and stored_ttl < 1):
        raise StoreUnavailable(f"the layout of {name} cannot be read")
    if strict and wanted != buckets:
        raise StoreUnavailable(f"{name} has {buckets} buckets, not {wanted}")
    if ttl is not None and stored_ttl != ttl:
        has = "no ttl" if stored_ttl is None else f"a ttl of {stored_ttl / 1000:g} seconds"
        raise StoreUnavailable(f"{name} has {has}: that was decided when it was made")
    return Layout(buckets, stored_ttl)


def _read(answer: Answer) -> tuple[int, int, int | None]:
    version, buckets, ttl = answer
    return read_counter(version), read_counter(buckets), None if ttl is None else read_counter(ttl)
