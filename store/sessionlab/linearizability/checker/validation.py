"""Checks that a user's model obeys the rules of models, before it leads to a wrong verdict."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import deepcopy
from itertools import islice
from typing import TypeVar

from ..history.exact import exact
from ..history.operation import Operation
from ..models.model import Model
from ..time_limit import UNLIMITED, TimeLimit

__all__ = ["check_model"]

S = TypeVar("S", bound=Hashable)

_TRIED = 200
_NEXT_STATES = 16


def check_model(
    model: Model[S], operations: Sequence[Operation], limit: TimeLimit = UNLIMITED
) -> None:
    """Run the first operations and check the states of the model.

    Raises `TypeError` for a state that is not hashable, `ValueError` for one that `step` changed.
    The library's own models are skipped: their tests check this, and they are used very often.
    """
    if type(model).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return
    state = model.init()
    _check_hashable(state, "init()")
    for index, operation in enumerate(operations[:_TRIED]):
        limit.look()
        where = f"step() of operation {index} ({operation.name} by client {operation.client})"
        before = deepcopy(state)
        following = list(islice(model.step(state, operation), _NEXT_STATES))
        if exact(state) != exact(before):
            raise ValueError(f"the model changed its state in {where}: a state never changes")
        for each in following:
            _check_hashable(each, where)
        state = following[0] if following else state


def _check_hashable(state: object, where: str) -> None:
    try:
        hash(state)
    except TypeError:
        raise TypeError(
            f"the model answered {where} with a {type(state).__name__}: states are hashable"
        ) from None
