"""A store that is one flat class without an interface: what the interface is compared with."""

from __future__ import annotations

from types import FunctionType
from typing import cast

from sessionkeeper import AtomicSessionStore, PlainSessionStore, SessionManager

__all__ = ["concrete_store", "manager_over"]


def concrete_store() -> AtomicSessionStore:
    """Make a `PlainSessionStore` whose class has the same functions, but no base and no ABC."""
    functions = {
        name: member
        for each in reversed(PlainSessionStore.__mro__[:-1])
        for name, member in vars(each).items()
        if isinstance(member, FunctionType)
    }
    return cast("AtomicSessionStore", type("ConcreteSessionStore", (), functions)())


def manager_over(store: AtomicSessionStore) -> SessionManager:
    """Make a manager hold a store that need not implement the interface."""
    manager = SessionManager.with_store(PlainSessionStore())
    manager._store = store  # the interface is what is measured, so it cannot be asked for
    return manager
