"""Every error can be copied and sent to another process (Guarantees 4.3)."""

from __future__ import annotations

import copy
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sessionkeeper
import sessionlab
import soleowner
from sessionkeeper import RateLimited, SessionState
from sessionlab.bench.peers.registry import PEERS

PACKAGES = (soleowner, sessionkeeper, sessionlab)
OTHER_TYPES = {
    "SessionState": SessionState.FAILED,
    "Peer": next(iter(PEERS.values())),
    "OSError": FileNotFoundError(2, "no such file", "f"),
    "BaseException": KeyError("k"),
    "Sequence[str]": ("a", "b"),
}
"""An argument of each type that is no `str`, `int` or `float`, as annotations name it."""


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """All classes below one, of our packages."""
    for each in kind.__subclasses__():
        if each.__module__.partition(".")[0] in {package.__name__ for package in PACKAGES}:
            yield each
        yield from subclasses(each)


@contextmanager
def absent_peers() -> Iterator[None]:
    """Go on without an integration whose extra is not installed; nothing else may be missing."""
    try:
        yield
    except ImportError as error:
        if not str(error).startswith("sessionkeeper.integrations."):
            raise


def error_classes() -> list[type[BaseException]]:
    """Every exception class of the three packages, in whatever module it is."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with absent_peers():
                    importlib.import_module(module.name)
    return sorted(set(subclasses(BaseException)), key=lambda kind: kind.__qualname__)


def argument(annotation: str) -> Any:
    """Something of a type."""
    plain = annotation.removesuffix(" | None")
    return {"str": "text", "int": 7, "float": 0.5, "bool": False, **OTHER_TYPES}[plain]


def example(kind: type[BaseException]) -> BaseException:
    """Make an error from the signature of its class, with all that one can hang on it."""
    given: list[Any] = ["text"]
    named: dict[str, Any] = {}
    if inspect.isfunction(kind.__init__):
        parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
        given = [argument(p.annotation) for p in parameters if p.kind is not p.KEYWORD_ONLY]
        named = {p.name: argument(p.annotation) for p in parameters if p.kind is p.KEYWORD_ONLY}
    error = kind(*given, **named)
    error.add_note("a note")
    error.attribute = ["of a caller"]  # type: ignore[attr-defined]  # errors take any attribute
    return error


def look(error: BaseException) -> tuple[object, ...]:
    """What a copy must have too; errors among it by their text, as they are equal to none."""
    state = {k: repr(v) if isinstance(v, BaseException) else v for k, v in vars(error).items()}
    return type(error), error.args, str(error), state, getattr(error, "msg", None)


def pickled(protocol: int, error: BaseException) -> Any:
    """The way to another process."""
    return pickle.loads(pickle.dumps(error, protocol))


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": partial(pickled, n) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}
ERRORS = error_classes()


class Throttled(RateLimited):
    """An error of a user, with arguments of its own."""

    def __init__(self, *, who: str) -> None:
        super().__init__(3, retry_after=0.5)
        self.who = who


def test_the_walk_finds_errors_of_every_package() -> None:
    assert len(ERRORS) > 40
    assert {each.__module__.partition(".")[0] for each in ERRORS} == {
        package.__name__ for package in PACKAGES
    }


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", [*ERRORS, Throttled], ids=lambda kind: kind.__qualname__)
def test_a_copy_of_an_error_is_whole(kind: type[BaseException], way: str) -> None:
    """Its class, `args`, text, attributes and notes; a new class needs nothing but its types."""
    error = example(kind)
    copied = COPIES[way](error)
    assert copied is not error
    assert look(copied) == look(error)


def test_a_copy_has_neither_cause_nor_traceback() -> None:
    """As with Python's own errors."""
    try:
        raise soleowner.OwnerCrashed(KeyError("k"))
    except soleowner.OwnerCrashed as error:
        copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == "the owner crashed with KeyError"
    assert copied.__cause__ is None
    assert copied.__traceback__ is None


def fail(error: BaseException) -> None:
    """Raise what was sent to this process."""
    raise error


def test_an_error_of_a_worker_process_reaches_its_caller_and_the_pool_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that cannot be read back would break the pool for everybody."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # the worker imports this module
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for kind in ERRORS:
            error = example(kind)
            with pytest.raises(kind) as caught:
                pool.submit(fail, error).result()
            assert look(caught.value) == look(error)
        assert pool.submit(len, "abc").result() == 3
