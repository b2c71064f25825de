"""The memory of what waits to be recorded, which several journals may share."""

from __future__ import annotations

__all__ = ["Budget"]


class Budget:
    """A number of bytes, of which a holder takes some and gives them back.

    It has no lock: its holders are of one thread, or share a lock.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0

    def __repr__(self) -> str:
        return f"<Budget {self.used} of {self.size} bytes used>"

    def take(self, size: int) -> bool:
        """Take this many bytes if they are left; return whether they were."""
        if self.used + size > self.size:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self.used -= size
