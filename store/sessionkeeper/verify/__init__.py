"""Atomicity shown, not claimed: tools that look for the interleaving in which a store is wrong."""

from __future__ import annotations

__all__: list[str] = []
