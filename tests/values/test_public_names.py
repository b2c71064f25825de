"""`__all__` is the truth: nothing missing, nothing that is not there."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
import sessionkeeper
import soleowner

# Submodules whose names are the library's own business, or a part with its own entrance.
INTERNAL = {
    *("arguments", "backends", "cli", "command_store", "commands", "conformance", "crossing"),
    *("bench", "demo", "lab", "otel"),
    *("lifecycle", "listening", "log_rules", "principal_store", "records", "rows", "rules"),
    *("store_command", "sweeping", "tables", "counters", "tap", "value", "verify", "watching"),
    *("copying", "transfer"),
    *("fork", "mailbox", "tasks"),
}
ENTRANCES = ("backends", "bench", "cli", "conformance", "copying", "demo", "lab", "tap", "verify")
INTERNAL_NAMES = {
    *(
        "run_observed",
        "together",
        "json_size",
        "LONGEST_TTL",
        "is_session_id",
        "session_error",
        "JsonObject",
        "StringMap",
    ),
    *("CALLER_FIELDS", "STORE_FIELDS", "ProtocolVersion", "TableStatistics", "Look", "LogPage"),
    *("MAX_DEPTH", "MAX_MESSAGE_BYTES", "RpcHead", "encode_message", "nests_deeper"),
    *("read_head", "validate_message", "Tag", "Text", "not_one_string", "short_id"),
}

PACKAGES = [sessionkeeper, soleowner]


def submodules(package: ModuleType) -> list[ModuleType]:
    """The modules of a package, without those with an entrance of their own."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return [
        importlib.import_module(f"{package.__name__}.{name}")
        for name in names
        if name not in INTERNAL and not name.startswith("_")
    ]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_can_be_imported(package: ModuleType) -> None:
    """Every public name is importable from the package, once."""
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        assert hasattr(package, name), name
    namespace: dict[str, object] = {}
    exec(f"from {package.__name__} import *", namespace)
    assert set(package.__all__) <= namespace.keys()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_what_a_submodule_exports_the_package_exports(package: ModuleType) -> None:
    """Nothing missing that a submodule's `__all__` exports, unless listed as internal."""
    for module in submodules(package):
        for name in module.__all__:
            assert hasattr(module, name), (module.__name__, name)
            if name not in INTERNAL_NAMES:
                assert name in package.__all__, (module.__name__, name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_module_says_what_it_exports_and_keeps(package: ModuleType) -> None:
    """Explicit `__all__`, all of it there, and a docstring; one for each public thing too."""
    for found in pkgutil.iter_modules(package.__path__):
        if found.name in ENTRANCES or found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        assert module.__doc__
        for name in module.__all__:
            assert hasattr(module, name), (module.__name__, name)
    for name in package.__all__:
        thing = getattr(package, name)
        if isinstance(thing, type):
            assert thing.__doc__, name


def test_what_is_listed_as_internal_is_there_and_not_public() -> None:
    """The list above does not rot."""
    modules = {m.name for p in PACKAGES for m in pkgutil.iter_modules(p.__path__)}
    assert modules >= INTERNAL
    exported = {name for p in PACKAGES for module in submodules(p) for name in module.__all__}
    assert exported >= INTERNAL_NAMES
    assert INTERNAL_NAMES.isdisjoint(sessionkeeper.__all__)
