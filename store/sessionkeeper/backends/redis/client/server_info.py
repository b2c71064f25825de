"""What a server is and promises, read from it when a store is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ....values.errors import StoreUnavailable
from .call import Answer, Call, DeliveryStatus, Refused
from .eviction import EvictionRule, MemoryPolicy, read_info

if TYPE_CHECKING:
    from .node import Node

__all__ = ["ServerInfo", "read_server_info", "weakest", "with_memory"]

_FLOOR = (7, 0)
_UNKNOWN = "unknown"
_SETTINGS = ("save", "appendfsync")
_NOTHING = "nothing"
_SNAPSHOT = "the last snapshot"
_SOME_FILE = "the append-only file (appendfsync unknown)"
_BY_FSYNC = {
    "no": "all but what the system had not written yet (appendfsync no)",
    "everysec": "all but about the last second (appendfsync everysec)",
    "always": "every write (appendfsync always)",
}
_WEAKEST_FIRST = (_NOTHING, _UNKNOWN, _SNAPSHOT, _SOME_FILE, *_BY_FSYNC.values())


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server as it was when the store was opened."""

    product: str
    """`redis` or `valkey`."""
    version: str
    cluster: bool
    replicas: int
    """Replicas that were connected then."""
    durability: str
    """What survives when the server is killed, in words."""
    maxmemory: int
    """Bytes; 0 for no limit."""
    eviction: str
    """`maxmemory-policy`."""
    warnings: tuple[str, ...]
    """Settings that are allowed and may still lose data, one sentence each."""


def weakest(server_info: Sequence[ServerInfo]) -> ServerInfo:
    """Return what all nodes of a cluster promise: the minimum of each promise."""
    worst = min(server_info, key=lambda one: _WEAKEST_FIRST.index(one.durability))
    return replace(
        worst,
        version=min(server_info, key=lambda one: _numbers(one.version)).version,
        replicas=min(one.replicas for one in server_info),
        warnings=tuple(dict.fromkeys(warning for one in server_info for warning in one.warnings)),
    )


async def read_server_info(node: Node, rule: EvictionRule) -> ServerInfo:
    """Read what a node is. Raises `StoreUnavailable` if a store must not be there.

    The reason names the setting. A value that the user may not read is unknown, and no error.
    """
    name = node.address.name
    info_answer, config_answer = await node.send(
        [Call(-1, ("INFO",)), Call(-1, ("CONFIG", "GET", *_SETTINGS))]
    ).result()
    if isinstance(info_answer, DeliveryStatus):
        raise StoreUnavailable(node.last_error or f"{name} did not answer")
    if isinstance(info_answer, Refused):
        code = info_answer.code
        need = "the ACL user needs the command INFO" if code == "NOPERM" else "it refused INFO"
        raise StoreUnavailable(f"{name}: {need} ({code})")
    info = read_info(info_answer)
    config = _read_config(config_answer)
    _check(name, info, cluster=node.address.cluster)
    warnings = list(node.address.warnings)
    node.eviction.memory = memory = MemoryPolicy.of(info)
    if refusal := rule.refusal(memory):
        raise StoreUnavailable(f"{name}: {refusal}")
    durability, warning = _durability(info, config)
    if warning:
        warnings.append(warning)
    valkey = info.get("valkey_version")
    return ServerInfo(
        product="valkey" if valkey else "redis",
        version=valkey or info["redis_version"],
        cluster=node.address.cluster,
        replicas=int(info.get("connected_slaves", "0")),
        durability=durability,
        maxmemory=memory.maxmemory,
        eviction=memory.policy,
        warnings=tuple(warnings),
    )


def with_memory(
    server_info: ServerInfo, rule: EvictionRule, memory: Iterable[MemoryPolicy | None]
) -> ServerInfo:
    """Return it with what the nodes do now when their memory is full: the worst of them."""
    known = [each for each in memory if each is not None]
    if not known:
        return server_info
    worst = max(known, key=lambda each: bool(rule.warning(each)))
    warning = rule.warning(worst)
    return replace(
        server_info,
        maxmemory=worst.maxmemory,
        eviction=worst.policy,
        warnings=(*server_info.warnings, warning) if warning else server_info.warnings,
    )


def _check(name: str, info: dict[str, str], *, cluster: bool) -> None:
    version = info.get("redis_version", "0.0")
    if _numbers(version)[:2] < _FLOOR:
        raise StoreUnavailable(f"{name} is version {version}; 7.0 or newer is needed")
    mode = info.get("redis_mode") or info.get("server_mode", "standalone")
    if mode == "sentinel":
        raise StoreUnavailable(f"{name} is a sentinel and holds no data")
    if info.get("loading", "0") != "0":
        raise StoreUnavailable(f"{name} is loading its data (LOADING)")
    enabled = info.get("cluster_enabled") == "1"
    if enabled and not cluster:
        raise StoreUnavailable(f"{name} has cluster-enabled yes: use redis+cluster://")
    if cluster and not enabled:
        raise StoreUnavailable(f"{name} has cluster-enabled no: use redis:// or rediss://")
    if info.get("role") != "master":
        raise StoreUnavailable(f"{name} is a replica (replicaof is set): name the primary")


def _durability(info: dict[str, str], config: dict[str, str]) -> tuple[str, str]:
    if info.get("aof_enabled") == "1":
        return _BY_FSYNC.get(config.get("appendfsync", ""), _SOME_FILE), ""
    save = config.get("save")
    if save is None:
        return _UNKNOWN, "appendonly no: writes since the last snapshot are lost with the server"
    if save:
        return _SNAPSHOT, "appendonly no: writes since the last snapshot can be lost"
    return _NOTHING, "appendonly no and save empty: nothing is left when the server ends"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _read_config(answer: Answer) -> dict[str, str]:
    if not isinstance(answer, dict):
        return {}
    pairs = cast("dict[bytes, bytes]", answer)
    return {key.decode(): value.decode("utf-8", "replace") for key, value in pairs.items()}
