"""Notices that a server may drop keys: `maxmemory-policy` can be changed while a store is open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from .call import Answer, DeliveryStatus, Refused

__all__ = ["READ_MEMORY", "EvictionRule", "EvictionWatch", "MemoryPolicy", "read_info"]

logger = logging.getLogger("sessionkeeper")

READ_MEMORY = ("INFO", "memory")
"""The command whose answer an `EvictionWatch` notes."""
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """What a server does when its memory is full."""

    maxmemory: int
    """Bytes; 0 for no limit."""
    policy: str
    """Its `maxmemory-policy`."""

    @classmethod
    def of(cls, info: Mapping[str, str]) -> MemoryPolicy:
        """Read it from an answer to `INFO`."""
        return cls(int(info.get("maxmemory", "0")), info.get("maxmemory_policy", _UNKNOWN))


@dataclass(slots=True)
class EvictionRule:
    """Which policies may drop keys of a store, and whether that is allowed."""

    allowed: bool
    policies: tuple[str, ...] = field(default=("allkeys-",))
    """How they begin. Those that begin with `volatile-` drop only keys with a ttl."""

    def warning(self, memory: MemoryPolicy | None) -> str:
        """Say what may happen; empty if no key of the store can be dropped."""
        if memory is None or not memory.maxmemory or not memory.policy.startswith(self.policies):
            return ""
        return f"maxmemory-policy {memory.policy} may drop sessions when memory is full"

    def refusal(self, memory: MemoryPolicy | None) -> str:
        """Say why nothing may be written; empty if it may."""
        warning = "" if self.allowed else self.warning(memory)
        return warning and f"{warning}; set noeviction, or allow_eviction=True"


class EvictionWatch:
    """The policy of one node, as it was when last seen. A change for the worse is logged once."""

    __slots__ = ("_name", "_rule", "memory")

    def __init__(self, name: str, rule: EvictionRule) -> None:
        self._name = name
        self._rule = rule
        self.memory: MemoryPolicy | None = None

    @property
    def refusal(self) -> str:
        """Why nothing may be written to the node; empty if it may."""
        return self._rule.refusal(self.memory)

    def note(self, answer: Answer) -> None:
        """Note what the node answered to `READ_MEMORY`, if it did."""
        if isinstance(answer, Refused | DeliveryStatus):
            return
        before, self.memory = self._rule.warning(self.memory), MemoryPolicy.of(read_info(answer))
        warning = self._rule.warning(self.memory)
        if warning and warning != before:
            logger.warning("%s: %s", self._name, warning)


def read_info(answer: Answer) -> dict[str, str]:
    """Read the fields of an answer to `INFO`."""
    lines = (line.partition(":") for line in answer.decode("utf-8", "replace").splitlines())
    return {key: value for key, colon, value in lines if colon}
