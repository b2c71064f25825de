"""The models of histories, by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias, cast

from .linearizability.models.kv import KeyValue
from .linearizability.models.model import Model
from .linearizability.models.register import Register
from .sessions.model import SessionStoreModel

__all__ = [
    "MODELS",
    "AnyModel",
    "KeyValue",
    "Model",
    "Register",
    "SessionStoreModel",
    "find_model",
]

AnyModel: TypeAlias = Model[Hashable]
"""A model with states of an unknown type."""

MODELS: Mapping[str, Callable[[], AnyModel]] = {
    model.name: cast("Callable[[], AnyModel]", model)
    for model in (Register, KeyValue, SessionStoreModel)
}
"""A maker for each model, by the name that a history's header gives."""


def find_model(name: str, /) -> AnyModel:
    """Return a model by its name. Raises `ValueError` for an unknown name."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    return MODELS[name]()
