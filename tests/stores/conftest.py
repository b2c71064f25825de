"""The stores to test behind fixtures: each design, and a third party's with an owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    OwnedSessionStore,
    PlainSessionStore,
    SessionStore,
)

from tests.support.stores import DESIGNS, Design, FileStore, database_stores, make_store

if TYPE_CHECKING:
    from tests.conftest import TenMethodStore


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Where this test's files are, and its databases."""
    FileStore.folder = tmp_path
    with database_stores(request):
        yield


@pytest.fixture(params=DESIGNS)
def design(
    request: pytest.FixtureRequest, only_ten: Callable[[SessionStore], TenMethodStore]
) -> Design:
    """How each store is made, with limits or a clock by the test itself.

    The designs that refuse nothing; "owned" where a test asks for it.
    """

    def owned(*, clock: Clock | None = None) -> OwnedSessionStore:
        return OwnedSessionStore(only_ten(PlainSessionStore(clock=clock)), clock=clock)

    return owned if request.param == "owned" else DESIGNS[request.param]


@pytest.fixture
async def store(design: Design) -> AsyncIterator[AtomicSessionStore]:
    """Each store, open."""
    async with design() as store:
        yield store


@pytest.fixture(params=[*DESIGNS, "owned"])
async def any_store(request: pytest.FixtureRequest) -> AsyncIterator[AtomicSessionStore]:
    """Each store, a third party's too, open: all keep the ten methods' contract."""
    async with make_store(request.param) as store:
        yield store
