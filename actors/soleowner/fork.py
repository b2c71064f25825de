"""Notify objects of a forked child that they are copies: their event loop stayed in the parent.

A loop's file descriptors and threads do not survive `fork`, yet its Python state looks alive in
the child (cpython#66197, redis-py#2910).
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["Forgettable", "forget_on_fork"]


class Forgettable(Protocol):
    """An object that must know when it is a copy."""

    def forget(self) -> None:
        """Refuse everything from now on."""


_known: weakref.WeakSet[Forgettable] | None = None


def forget_on_fork(thing: Forgettable) -> None:
    """Call `thing.forget()` in every process forked while it lives."""
    global _known  # noqa: PLW0603 - made at first use: importing registers nothing
    if _known is None:
        _known = weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget_all)
    _known.add(thing)


def _forget_all() -> None:
    for thing in _known or ():
        thing.forget()
