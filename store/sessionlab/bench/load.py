"""A load: the mix of operations, callers or rate, sessions, and sizes of messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .mixes import MIXES

__all__ = [
    "MAX_ARRIVALS",
    "MAX_ROUND_BYTES",
    "MAX_FRAMES",
    "MAX_STORED_BYTES",
    "DEFAULT_SESSIONS",
    "Load",
    "make_message",
    "parse_sizes",
]

DEFAULT_SESSIONS = 1_000

MAX_ARRIVALS = 5_000_000
"""Maximum arrivals in a round of an open loop."""
MAX_FRAMES = 20_000_000
"""Maximum messages in all sessions before a round."""
MAX_STORED_BYTES = 16 * 1024**3
"""Maximum bytes of those messages."""
MAX_ROUND_BYTES = 512 * 1024**2
"""Maximum bytes of messages in a round; the round ends early when they are reached."""
_MIN, _MAX = 100, 1024**2
_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2}
_MIXED = (100, 100, 1024, 1024, 1024, 4096, 65_536)
"""As in recordings: most messages are small, some are a file."""
_HEAD, _TAIL = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"', b'"}}'


@dataclass(frozen=True, slots=True)
class Load:
    """One load. A round lasts `seconds`, after `warmup` seconds that do not count."""

    mix: str
    callers: int
    """Concurrent callers of a closed loop; not used in an open one."""
    rate: float | None
    """Arrivals per second of an open loop; None for a closed one."""
    sessions: int
    skew: float
    sizes: tuple[int, ...]
    """Sizes of messages in bytes; one is chosen at random each time."""
    seconds: float
    warmup: float
    seed: int
    frames: int = 0
    """Messages in each session before the load."""
    half: bool = False
    """The rate is half of the peak throughput measured before."""

    def __post_init__(self) -> None:
        if self.mix not in MIXES:
            raise ValueError(f"unknown mix {self.mix!r}: expected one of {', '.join(MIXES)}")
        if self.callers < 1 or self.sessions < 1 or not self.sizes:
            raise ValueError("a load needs at least one caller, one session and one message size")
        if not 0 <= self.frames * self.sessions <= MAX_FRAMES:
            raise ValueError(f"at most {MAX_FRAMES:,} messages can be stored before the load")
        if self.frames * self.sessions * self.sizes[0] > MAX_STORED_BYTES:
            raise ValueError("at most 16 GB of messages can be stored before the load")
        if self.rate is not None and not 0 < self.rate * self.seconds <= MAX_ARRIVALS:
            raise ValueError(f"a round has at most {MAX_ARRIVALS:,} arrivals")
        if self.seconds <= 0 or self.warmup < 0:
            raise ValueError("seconds must be above 0, and warmup not below 0")

    @property
    def title(self) -> str:
        """`64 callers` or `2,000 arrivals/s`, and the sessions if not the default number."""
        many = f"{self.callers:,} caller{'s' if self.callers != 1 else ''}"
        if self.rate is not None:
            rate = f"{self.rate:,.0f}" if self.rate >= 100 else f"{self.rate:.3g}"
            many = f"{rate} arrivals/s{', half the peak' if self.half else ''}"
        if self.sessions != DEFAULT_SESSIONS or self.frames:
            many += f", {self.sessions:,} session{'s' if self.sessions != 1 else ''}"
        return f"{many} of {self.frames:,} messages" if self.frames else many


def parse_sizes(text: str, /) -> tuple[int, ...]:
    """Parse `1KB`, `100B,64KB` or `mixed`. Raises `ValueError` outside 100 bytes to 1 MB."""
    if text == "mixed":
        return _MIXED
    sizes: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,7})(|B|KB|MB)", part.strip(), re.IGNORECASE)
        size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
        if not _MIN <= size <= _MAX:
            raise ValueError(
                f"{part.strip()!r}: expected 100B to 1MB, a list with commas, or mixed"
            )
        sizes.append(size)
    return tuple(sizes)


def make_message(size: int, /) -> bytes:
    """Return a JSON-RPC notification of this size in bytes."""
    return _HEAD + b"x" * (size - len(_HEAD) - len(_TAIL)) + _TAIL
