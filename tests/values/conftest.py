"""One canary, and how to look whether an error sings."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

CANARY = "c4n4ry-s3cr3t"


def sings(error: BaseException) -> bool:
    """Whether the canary is in any text of an error or of what caused it."""
    seen: BaseException | None = error
    texts = ["".join(traceback.format_exception(error))]
    while seen is not None:
        texts += [str(seen), repr(seen), *getattr(seen, "__notes__", [])]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return CANARY in "".join(texts)


@pytest.fixture
def canary() -> str:
    """Text that must never be shown."""
    return CANARY


@pytest.fixture
def silent() -> Callable[[BaseException], bool]:
    """Whether an error keeps the canary to itself."""
    return lambda error: not sings(error)
