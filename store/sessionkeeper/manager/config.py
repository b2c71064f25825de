"""How a manager works, as validated configuration."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, FiniteFloat, field_validator

from ..stores.config import MemoryBackend, StorageBackend
from ..values.value import Value
from ..values.version import ProtocolVersion

__all__ = ["KNOWN_VERSIONS", "ManagerConfig"]

KNOWN_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
"""The revisions of MCP. Source: modelcontextprotocol.io, "Versioning"."""

_Seconds = Annotated[FiniteFloat, Field(gt=0)]


class ManagerConfig(Value):
    """How a manager works; times are seconds of a steady clock, and None means never."""

    backend: StorageBackend = Field(default_factory=MemoryBackend, discriminator="kind")
    """The store to make, unless one is given with `with_store`."""

    close_timeout: float | None = Field(default=10.0, gt=0)
    """Seconds to call the remaining hooks and finish queued operations when closing."""
    drain_timeout: FiniteFloat = Field(default=0.0, ge=0)
    """Seconds to wait for pending responses when an `async with` block ends."""

    idle: _Seconds | None = 300.0
    """Seconds without activity until a session is ended as `timed-out`."""
    age: _Seconds | None = 86_400.0
    """Seconds after its creation until a session is ended as `timed-out`."""
    retention: _Seconds | None = 86_400.0
    """Seconds after its end until a session is deleted."""
    sweep_interval: _Seconds = 1.0
    """Seconds between two sweeps."""
    sweep_batch: int = Field(default=100, ge=1, le=10_000)
    """Sessions ended or deleted in one step of the store."""

    track_requests: bool = True
    """Whether requests are matched with their responses."""
    request_timeout: _Seconds | None = 300.0
    """Seconds without a response until a request times out."""
    max_pending_per_session: int = Field(default=1_000, ge=1)
    """Requests of one session that wait for their responses."""
    max_pending: int = Field(default=10_000, ge=1)
    """Requests of all sessions that wait for their responses."""

    rate_limit: _Seconds | None = None
    """Messages per second of one session."""
    rate_burst: int | None = Field(default=None, ge=1)
    """Messages in one burst after a pause; None for the messages of one second."""

    supported_versions: tuple[ProtocolVersion, ...] = Field(default=KNOWN_VERSIONS, min_length=1)
    """Versions that `negotiate_version` accepts; instead of any other it offers the newest."""

    hook_timeout: _Seconds | None = 30.0
    """Seconds until an asynchronous hook is cancelled."""
    max_events: int = Field(default=10_000, ge=1)
    """Events that wait for their hooks; beyond, the oldest are dropped and counted."""

    @field_validator("supported_versions")
    @classmethod
    def _each_once(cls, versions: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(versions)) != len(versions):
            raise ValueError("a version is supported once")
        return versions

    @classmethod
    def recording(cls, **fields: object) -> Self:
        """Make the configuration of a recorder: nothing is refused and nothing is removed.

        Sessions expire only at an `expires_at` of their own and are never purged, requests are not
        tracked and no rate is limited, unless `fields` say otherwise. Raises `ValueError`.
        """
        never = dict.fromkeys(("idle", "age", "retention", "rate_limit"))
        return cls.model_validate({**never, "track_requests": False, **fields})
