"""The kit on a broken store: only the tests that must notice."""

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
    """The tests of the kit that must notice a broken store, and no others.

    To collect all the others of every store takes longer than to run these.
    """
    wanted = {name.partition("[")[0] for name in noticed_by}
    others = {name for name in dir(Violation) if name.startswith("test_")} - wanted
    fields: dict[str, object] = dict.fromkeys(others)
    fields |= {"store_class": store, "noticed_by": noticed_by, "patience": patience}
    return type(f"Test{store.__name__}", (Violation,), fields | {"__test__": True})
