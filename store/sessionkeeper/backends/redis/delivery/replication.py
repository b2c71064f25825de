"""What a write waits for beyond its answer: replicas that have it, files it is synced to."""

from __future__ import annotations

from dataclasses import dataclass

from ....values.errors import SessionError, StoreUnavailable
from ..client.call import Refused, Word
from ..client.refusals import error_for

__all__ = ["ReplicationRequirement", "no_waiting"]


@dataclass(frozen=True, slots=True)
class ReplicationRequirement:
    """What a write waits for beyond the primary's own answer."""

    replicas: int = 0
    """How many replicas must have it."""
    aof: bool = False
    """Whether it must be synced to the append-only file there, and on the primary."""
    timeout: float = 1.0
    """Seconds; a write that was waited for in vain is answered with `OutcomeUnknown`."""

    def words(self) -> tuple[Word, ...] | None:
        """Return the command that waits; None where nothing is waited for."""
        milliseconds = max(1, round(self.timeout * 1000))
        if self.aof:
            return ("WAITAOF", 1, self.replicas, milliseconds)
        return ("WAIT", self.replicas, milliseconds) if self.replicas else None

    def probe(self) -> tuple[Word, ...] | None:
        """Return the same command asking for nothing that a store without writes has not got."""
        if self.aof:
            return ("WAITAOF", 1, 0, 1)
        return ("WAIT", 0, 1) if self.replicas else None

    @property
    def promise(self) -> str:
        """What has happened to a write when it is acknowledged, in words."""
        said = ["applied in the primary's memory"]
        if self.aof:
            said.append("synced to its append-only file")
        if self.replicas:
            how = "synced to that of" if self.aof else "applied by"
            number = "one replica" if self.replicas == 1 else f"{self.replicas} replicas"
            said.append(f"{how} {number}")
        return ", ".join(said)

    def is_satisfied_by(self, answer: object) -> bool:
        """Whether that is what was waited for."""
        match answer:
            case [int() as primary, int() as replicas]:  # of WAITAOF
                return primary >= 1 and replicas >= self.replicas
            case int():
                return answer >= self.replicas
            case _:
                return False


def no_waiting(name: str, refused: Refused) -> SessionError:
    """Make the error for a server that refuses to wait."""
    if "unknown command" in refused.text:
        return StoreUnavailable(f"{name} knows no WAITAOF; wait_aof needs 7.2 or newer")
    if "appendonly" in refused.text:
        return StoreUnavailable(f"{name} has appendonly no: wait_aof would wait for ever")
    return error_for(name, refused)
