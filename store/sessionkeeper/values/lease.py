"""The recorder of a session: a value under a reserved key of its metadata, on every store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from .session import CALLER_FIELDS, Session
from .value import Value

__all__ = [
    "LEASE_KEY",
    "REDACTION_KEY",
    "TALLY_KEY",
    "Lease",
    "is_heartbeat",
    "lease_of",
    "with_lease",
    "without_lease",
]

LEASE_KEY = "sessionkeeper.recorder"
REDACTION_KEY = "sessionkeeper.redaction"
TALLY_KEY = "sessionkeeper.calls"
"""The names in `Session.metadata` of the lease, and of what the recorder has counted so far."""

_OTHERS = tuple(sorted(CALLER_FIELDS - {"metadata"}))

_Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255)]


class Lease(Value):
    """The process that records a session, and the time of its last heartbeat.

    Values that the system does not provide are None. All leases of one process have the same size
    as JSON.
    """

    pid: int = Field(ge=1)
    host: _Name
    machine: _Name | None = None
    """A digest of the machine, which stays the same after a restart."""
    boot: _Name | None = None
    """A digest of the current start of the machine."""
    namespace: _Name | None = None
    """The namespace in which `pid` and `started` are valid."""
    started: int | None = None
    """When the process began, in ticks after the boot: a pid is used again, the pair is not."""
    seen: AwareDatetime
    """The last heartbeat, by the clock of that host, in whole seconds."""

    def renewed(self, moment: datetime) -> Lease:
        """Return the lease of the same process at a later moment."""
        seen = moment.astimezone(UTC).replace(microsecond=0)
        return Lease.trusted(self.__dict__ | {"seen": seen})


def lease_of(session: Session) -> Lease | None:
    """Return the lease in a session; None if there is none, or something else in its place."""
    held = session.metadata.get(LEASE_KEY)
    if held is None:
        return None
    try:
        return Lease.model_validate(held)
    except ValidationError:
        return None


def with_lease(session: Session, lease: Lease) -> Session:
    """Return a session with this lease. Raises as `Session.model_copy`."""
    metadata = {**session.metadata, LEASE_KEY: lease.model_dump(mode="json")}
    return session.model_copy(update={"metadata": metadata})


def without_lease(session: Session) -> Session:
    """Return a session without a lease; the same one if it has none."""
    if LEASE_KEY not in session.metadata:
        return session
    metadata = {name: held for name, held in session.metadata.items() if name != LEASE_KEY}
    return session.model_copy(update={"metadata": metadata})


def is_heartbeat(before: Session, after: Session) -> bool:
    """Whether a live session changes only in what its recorder keeps, which is no activity."""
    if LEASE_KEY not in before.metadata and LEASE_KEY not in after.metadata:
        return False
    if before.state.is_terminal:
        return False
    if any(getattr(before, name) != getattr(after, name) for name in _OTHERS):
        return False
    return _beside_heartbeats(before) == _beside_heartbeats(after)


def _beside_heartbeats(session: Session) -> dict[str, object]:
    own = (LEASE_KEY, TALLY_KEY, REDACTION_KEY)
    return {name: held for name, held in session.metadata.items() if name not in own}
