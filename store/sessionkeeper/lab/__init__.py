"""The lab: designs of a store, right ones and wrong ones, and what comes of comparing them."""

from __future__ import annotations

__all__: list[str] = []
