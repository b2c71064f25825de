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


async def agree(servers: Servers, keys: Keys, *, strict: bool, must_exist: bool = False) -> int:
    """Return how many buckets the store has: those of the keys, if it is new.

    Raises `StoreUnavailable` for a store of a newer version, if `strict` for one of another number
    of buckets, and if it `must_exist` for one that does not: then nothing is written.
    """
    wanted = len(keys.buckets)
    if must_exist:
        call = Call(0, ("HMGET", keys.layout, "version", "buckets"))
    else:
        call = Call(0, ("EVALSHA", LAYOUT.digest, 1, keys.layout, VERSION, wanted), LAYOUT)
    (answer,) = await servers.exchange([call])
    if isinstance(answer, Refused):
        raise verdict(servers.name, answer)
    if isinstance(answer, Fate):
        raise StoreUnavailable(servers.trouble or f"{servers.name} does not answer")
    if None in answer:
        raise StoreUnavailable(f"there is no store {keys.prefix!r} on {servers.name}")
    version, found = (int(each) for each in answer)
    name = f"the store {keys.prefix!r} on {servers.name}"
    if version > VERSION:
        raise StoreUnavailable(f"{name} is of version {version}, newer than this library")
    if strict and wanted != found:
        raise StoreUnavailable(f"{name} has {found} buckets, not {wanted}")
    return found
