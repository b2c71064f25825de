"""What histories are judged by."""

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
"""A model whose states are its own business: all that whoever asks by name needs to know."""

MODELS: Mapping[str, Callable[[], AnyModel]] = {
    model.name: cast("Callable[[], AnyModel]", model)
    for model in (Register, KeyValue, SessionStoreModel)
}
"""A maker for each model, by the name that a history's header gives."""


def find_model(name: str, /) -> AnyModel:
    """Return a model by its name. Raises `ValueError` for a name that is none."""
    if name not in MODELS:
        raise ValueError(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]()
