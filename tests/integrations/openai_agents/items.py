"""Items to add, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import TResponseInputItem

__all__ = ["said", "say"]


def say(*texts: object, role: str = "user") -> list[TResponseInputItem]:
    """Make messages."""
    made: Any = [{"role": role, "content": str(text)} for text in texts]
    return list(made)


def said(items: Sequence[TResponseInputItem]) -> list[str]:
    """Return what messages say."""
    found: Any = items
    return [item["content"] for item in found]
