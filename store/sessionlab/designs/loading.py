"""Finds designs by name: in the catalogue, or the user's own class as `module:Class`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import TypeAlias

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.limits import StoreLimits

from .catalogue import DESIGNS, Design, LimitsNotTaken, Make
from .files import in_new_folder

__all__ = ["NotAStore", "Opener", "find_design", "find_opener"]

Opener: TypeAlias = "Callable[[str], SessionStore]"
"""Makes a store in the file at a path."""

_PATH = "path"
"""Name of the parameter of a class that takes the path of its file."""


class NotAStore(TypeError):
    """What was called to make a store made something else."""


def find_design(name: str, /) -> Design:
    """Return a design of the catalogue, or the class that `module:Class` names.

    The class is called without arguments, or with `path`, a file in a temporary folder, and
    `limits` if it takes them. Importing its module runs it. Raises `ValueError`, which says what is
    wrong with the name.
    """
    if name in DESIGNS:
        return DESIGNS[name]
    module, separator, path = name.partition(":")
    if not separator or not module or not path:
        near = get_close_matches(name, DESIGNS, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; expected one of {', '.join(DESIGNS)}"
        raise ValueError(f"unknown design {name!r}{hint}, or your own as module:Class")
    made = _class_at(name, module, path)
    summary = next(iter((inspect.getdoc(made) or "").splitlines()), "")
    parameters = _parameters(made)
    return Design(
        name,
        _maker(name, made, parameters),
        summary,
        None,
        file=name if any(each.name == _PATH for each in parameters) else None,
    )


def find_opener(name: str, /) -> Opener:
    """Return a function that opens a file with the class `module:Class`, which takes a `path`.

    Raises like `find_design`.
    """
    module, _, path = name.partition(":")
    made = _class_at(name, module, path)

    def opened(file: str) -> SessionStore:
        return _checked(name, made(path=file))

    return opened


def _class_at(name: str, module: str, path: str) -> Callable[..., object]:
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise ValueError(f"{name!r}: there is no module {missing.name!r}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also `SystemExit`, which would end the command with its code
        raise ValueError(f"{name!r}: importing it raised {type(error).__name__}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"{name!r}: the module {module!r} has no class {path!r}")
    if isinstance(found, type) and not issubclass(found, SessionStore):
        raise ValueError(f"{name!r} is not a SessionStore")
    return found


def _parameters(made: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(made).parameters.values())
    except (TypeError, ValueError):
        return []


def _maker(name: str, made: Callable[..., object], parameters: list[inspect.Parameter]) -> Make:
    names = {each.name for each in parameters}
    needed = [
        each.name
        for each in parameters
        if each.default is each.empty
        and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        and each.name != _PATH
    ]
    if needed:
        raise ValueError(f"{name!r} cannot be made without {', '.join(needed)}")

    def make(limits: StoreLimits | None) -> SessionStore:
        if limits is not None and "limits" not in names:
            raise LimitsNotTaken(f"{name} takes no limits")
        bound = made if limits is None else partial(made, limits=limits)
        if _PATH in names:
            return in_new_folder(lambda path: _checked(name, bound(path=path)))
        return _checked(name, bound())

    return make


def _checked(name: str, store: object) -> SessionStore:
    if not isinstance(store, SessionStore):
        raise NotAStore(f"{name} did not make a SessionStore")
    return store
