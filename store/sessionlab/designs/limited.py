"""The model of a session store with a limit on sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from .. import Header, Operation, Outcome, Plain, SessionStoreModel
from ..sessions.model.state import ModelState

__all__ = ["LimitedStoreModel"]


class LimitedStoreModel(SessionStoreModel):
    """As `SessionStoreModel`, with at most `maximum` sessions and no refusal below that."""

    def __init__(self, maximum: int, *, one_counter: bool = True) -> None:
        super().__init__(one_counter=one_counter)
        self._maximum = maximum

    def for_header(self, header: Header, /) -> LimitedStoreModel:
        if super().for_header(header) is self:
            return self
        return LimitedStoreModel(self._maximum, one_counter=False)

    def step(self, state: ModelState, operation: Operation, /) -> Iterable[ModelState]:
        if _is_refused_by_limit(operation):
            return (state,) if len(state.entries) >= self._maximum else ()
        return [
            after for after in super().step(state, operation) if len(after.entries) <= self._maximum
        ]

    def key(self, operation: Operation, /) -> tuple[str, ...] | None:
        return None  # the limit concerns all sessions

    def is_evidence(self, operation: Operation, /) -> bool:
        return _is_refused_by_limit(operation) or super().is_evidence(operation)


def _is_refused_by_limit(operation: Operation) -> bool:
    if operation.outcome is not Outcome.FAILED:
        return False
    return cast("tuple[Plain, ...]", operation.result)[0] == "LimitExceeded"
