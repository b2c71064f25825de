"""The whole kit on a broken store, with the names of the tests that must notice."""

from __future__ import annotations

from typing import ClassVar

from sessionkeeper import AtomicSessionStore, Clock, PlainSessionStore, StoreLimits
from sessionlab.conformance import AtomicSessionStoreConformance


class Violation(AtomicSessionStoreConformance):
    __test__ = False
    store_class: ClassVar[type[PlainSessionStore]]
    noticed_by: ClassVar[tuple[str, ...]]

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return self.store_class(limits=limits, clock=clock)


def breaking(
    store: type[PlainSessionStore], *noticed_by: str, patience: float = 20.0
) -> type[Violation]:
    """The whole kit on a broken store, and the tests that must notice."""
    fields = {"store_class": store, "noticed_by": noticed_by, "patience": patience}
    return type(f"Test{store.__name__}", (Violation,), fields | {"__test__": True})
