"""What histories are judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .kv import KeyValue
from .model import Model
from .register import Register
from .session_store import SessionStoreModel

__all__ = ["MODELS", "KeyValue", "Model", "Register", "SessionStoreModel", "model_named"]

MODELS: Mapping[str, Callable[[], Model[Any]]] = {
    model.name: model for model in (Register, KeyValue, SessionStoreModel)
}
"""A maker for each model, by the name that a history's header gives."""


def model_named(name: str, /) -> Model[Any]:
    """Return a model by its name. Raises `ValueError` for a name that is none."""
    if name not in MODELS:
        raise ValueError(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]()
