"""How a store is laid out on its servers: the first one to open it decides, all others follow."""

from __future__ import annotations

from ...errors import StoreUnavailable
from .call import Call, Fate, Refused
from .keys import Keys
from .scripts import script
from .servers import Servers
from .verdicts import verdict

__all__ = ["VERSION", "agree"]

VERSION = 1
LAYOUT = script("layout")


async def agree(servers: Servers, prefix: str, buckets: int | None, *, usual: int) -> Keys:
    """Return the keys of the store, with as many buckets as it has, or will have.

    Raises `StoreUnavailable` for a store of a newer version, or of another number of buckets than
    is asked for.
    """
    wanted = usual if buckets is None else buckets
    keys = Keys(prefix, wanted)
    words = ("EVALSHA", LAYOUT.digest, 1, keys.layout, VERSION, wanted)
    (answer,) = await servers.exchange([Call(0, words, LAYOUT)])
    if isinstance(answer, Refused):
        raise verdict(servers.name, answer)
    if isinstance(answer, Fate):
        raise StoreUnavailable(servers.trouble or f"{servers.name} does not answer")
    version, found = (int(each) for each in answer)
    if version > VERSION:
        raise StoreUnavailable(f"the store {prefix!r} on {servers.name} is of version {version}")
    if buckets is not None and buckets != found:
        raise StoreUnavailable(
            f"the store {prefix!r} on {servers.name} has {found} buckets, not {buckets}"
        )
    return keys if found == wanted else Keys(prefix, found)
