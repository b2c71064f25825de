"""Checks that a store with a ttl, or with lost keys, agrees with its server."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from redis_server import RedisServer, until
from sessionkeeper import RedisSessionStore

__all__ = ["counts_who_is_there", "net_holds", "nothing_left", "raw", "until_gone"]


def raw(server: RedisServer, *words: object) -> Any:
    """One command, answered in bytes."""
    with server.client(decode_responses=False) as client:
        speaks: Any = client
        return speaks.execute_command(*words)


async def counts_who_is_there(
    store: RedisSessionStore, server: RedisServer, prefix: str, ids: list[str]
) -> int:
    """Count in every way while sessions go; never one that was gone before, nor one too few."""
    keys = [f"{{{prefix}:0}}:s:{each}" for each in ids]

    def there() -> int:
        return cast("int", raw(server, "EXISTS", *keys))

    before = there()
    counted = await store.count_sessions()
    between = there()
    assert before >= counted >= between
    listed = len(await store.list_sessions())
    assert between >= listed
    found = await store.statistics()
    did, after = found.counters, there()
    assert listed >= sum(found.sessions.values()) >= after
    own = await store.for_principal("alice").count_sessions()
    assert sum(found.sessions.values()) >= own >= there()
    assert did.created == sum(found.sessions.values()) + did.deleted + did.purged + did.evicted
    assert did.frames_added == found.frames + did.frames_removed + did.frames_dropped
    return own


def net_holds(server: RedisServer, prefix: str) -> None:
    """Each session's hash and log go at one moment; it is noted with what is to be known then."""
    tag = f"{{{prefix}:0}}"
    order = set(raw(server, "ZRANGE", f"{tag}:order", 0, -1))
    moments: Any = raw(server, "ZRANGE", f"{tag}:ttl", 0, -1, "WITHSCORES")
    moments = {each: int(score) for each, score in moments}
    kept: dict[bytes, bytes] = raw(server, "HGETALL", f"{tag}:expiry-records")
    assert order == moments.keys() == kept.keys()
    for member, record in kept.items():
        name = member.decode()
        row = raw(server, "HMGET", f"{tag}:s:{name}", "s", "k", "z", "p")
        state, frames, size, principal = msgspec.msgpack.decode(record)
        said = [
            state.encode(),
            b"%d" % frames,
            b"%d" % size,
            principal.encode() if principal else None,
        ]
        assert said == row, name
        assert raw(server, "PEXPIRETIME", f"{tag}:s:{name}") == moments[member], name
        if frames:
            assert raw(server, "PEXPIRETIME", f"{tag}:l:{name}") == moments[member], name


def nothing_left(server: RedisServer, prefix: str) -> None:
    """No index contains anything of a session."""
    left = {str(key).rpartition("}:")[2] for key in server.say("KEYS", f"{{{prefix}:0}}:*")}
    assert {key for key in left if not key.startswith("w:")} <= {"meta", "layout", "changes"}


def until_gone(server: RedisServer, prefix: str, key: str) -> None:
    """Wait until the server has freed what the pattern names."""
    pattern = f"{{{prefix}:0}}:{key}"
    until(lambda: not server.say("KEYS", pattern), f"{pattern} is freed")
