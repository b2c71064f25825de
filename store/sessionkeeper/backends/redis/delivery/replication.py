"""What a write waits for beyond its answer: replicas, and synced files."""

from __future__ import annotations

from dataclasses import dataclass

from ..client.call import Argument

__all__ = ["ReplicationRequirement"]


@dataclass(frozen=True, slots=True)
class ReplicationRequirement:
    """What a write waits for beyond the primary's own answer."""

    replicas: int = 0
    """Number of replicas that must have the write."""
    aof: bool = False
    """Whether the write must be synced to the append-only file there, and on the primary."""
    timeout: float = 1.0
    """Seconds after which the write is answered with `OutcomeUnknown`."""

    def command(self) -> tuple[Argument, ...] | None:
        """Return the command that waits; None if nothing is required."""
        milliseconds = max(1, round(self.timeout * 1000))
        if self.aof:
            return ("WAITAOF", 1, self.replicas, milliseconds)
        return ("WAIT", self.replicas, milliseconds) if self.replicas else None

    def probe(self) -> tuple[Argument, ...] | None:
        """Return the same command with a requirement that a store without writes satisfies."""
        if self.aof:
            return ("WAITAOF", 1, 0, 1)
        return ("WAIT", 0, 1) if self.replicas else None

    @property
    def promise(self) -> str:
        """What has happened to a write when it is acknowledged, in words."""
        parts = ["applied in the primary's memory"]
        if self.aof:
            parts.append("synced to its append-only file")
        if self.replicas:
            how = "synced to that of" if self.aof else "applied by"
            number = "one replica" if self.replicas == 1 else f"{self.replicas} replicas"
            parts.append(f"{how} {number}")
        return ", ".join(parts)

    def is_satisfied_by(self, answer: object) -> bool:
        """Whether an answer to `command` meets the requirement."""
        match answer:
            case [int() as primary, int() as replicas]:  # of WAITAOF
                return primary >= 1 and replicas >= self.replicas
            case int():
                return answer >= self.replicas
            case _:
                return False
