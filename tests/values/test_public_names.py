"""`__all__` lists exactly the public names of a package."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
import sessionkeeper
import sessionlab
import soleowner

# Modules of the wings below whose names are the library's own business.
INTERNAL = {
    *("arguments", "facade", "listeners", "principal", "value", "wakeups"),
    *("owner_backed", "principal_methods", "store_url", "two_connections", "url_hints"),
    *("fork", "mailbox", "pending_call", "tasks"),
}
WINGS = ("values", "interface", "stores")
"""Whose modules export what `sessionkeeper` exports; the manager's are its own business."""
ENTRANCES = (*WINGS, "manager")
"""The wings from whose `__init__` the names of `sessionkeeper` come."""
INTERNAL_NAMES = {
    *(
        "run_observed",
        "together",
        "json_size",
        "LONGEST_TTL",
        "MAX_CLOCK_DIFFERENCE",
        "is_session_id",
        "Incarnation",
        "new_incarnation",
        "derived_incarnation",
        "JsonObject",
        "StringMap",
    ),
    *("CALLER_FIELDS", "STORE_FIELDS", "ProtocolVersion", "TableStatistics", "ReadPage", "LogPage"),
    *(
        "MAX_DEPTH",
        "MAX_MESSAGE_BYTES",
        *("micros", "moment_micros", "moment_of", "in_utc"),
        "is_replaced",
        "Proof",
        "REMOVED",
        "encoded_id",
        "json_text",
        "RpcHead",
        "encode_message",
        "drop_all_but",
        "is_mostly_arrays",
        "is_plain_message",
        "make_context",
        "nests_deeper",
        "outside_strings",
    ),
    *("LEASE_KEY", "REDACTION_KEY", "TALLY_KEY", "is_heartbeat", "with_lease", "without_lease"),
    *("MAX_ID", "MAX_TAG", "MAX_TAG_BYTES", "MAX_TEXT", "MAX_VERSION", "at_most"),
    *("MAX_STREAM_BYTES", "OWN_MEDIA_TYPES", "checked_stream_name"),
    *("Picklable", "read_heads", "validate_message", "Tag", "Text", "not_one_string", "short_id"),
    *("NOT_JSON", "NOT_UTF8", "REPEATED_NAME", "TOO_DEEP", "is_batch", "judge_message"),
    *("FRAMES_A_SLICE", "LINES_A_SLICE", "PAUSE", "SLICE"),
    *("Captured", "in_slices", "map_in_slices", "pause", "NO_METADATA"),
    *("BYTES", "WantedFrames", "GAP", "JSON", "KEPT_BYTES", "as_text", "classify"),
}

PACKAGES = [sessionkeeper, sessionlab, soleowner]


def modules_in(package: ModuleType) -> list[ModuleType]:
    """The modules of a package, packages below it left out."""
    found = pkgutil.iter_modules(package.__path__)
    return [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in found
        if not module.ispkg and not module.name.startswith("_")
    ]


def submodules(package: ModuleType) -> list[ModuleType]:
    """The modules whose names are public, but those that are listed as internal."""
    places = [package]
    if package is sessionkeeper:
        places = [importlib.import_module(f"sessionkeeper.{wing}") for wing in WINGS]
    return [
        module
        for place in places
        for module in modules_in(place)
        if module.__name__.rpartition(".")[2] not in INTERNAL
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
    for module in submodules(package):
        assert module.__doc__
        for name in module.__all__:
            assert hasattr(module, name), (module.__name__, name)
    for name in package.__all__:
        thing = getattr(package, name)
        if isinstance(thing, type):
            assert thing.__doc__, name


def test_what_is_listed_as_internal_is_there_and_not_public() -> None:
    """The list above does not rot."""
    places = [soleowner, *(importlib.import_module(f"sessionkeeper.{wing}") for wing in WINGS)]
    modules = {each.__name__.rpartition(".")[2] for place in places for each in modules_in(place)}
    assert modules >= INTERNAL
    exported = {name for p in PACKAGES for module in submodules(p) for name in module.__all__}
    assert exported >= INTERNAL_NAMES
    assert INTERNAL_NAMES.isdisjoint(sessionkeeper.__all__)


def imported_for_type_checkers(module: ModuleType) -> dict[str, str]:
    """Names that a module imports under `TYPE_CHECKING`, with the module they come from."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    block = next(each for each in tree.body if isinstance(each, ast.If))
    imports = [each for each in block.body if isinstance(each, ast.ImportFrom)]
    return {alias.name: each.module or "" for each in imports for alias in each.names}


def test_the_names_come_from_the_wings() -> None:
    """What the wings export is what the package exports, and a type checker sees the same."""
    wings = {name: importlib.import_module(f"sessionkeeper.{name}") for name in ENTRANCES}
    exported = {name: wing for wing, module in wings.items() for name in module.__all__}
    assert sum(len(module.__all__) for module in wings.values()) == len(exported)
    assert set(exported) == set(sessionkeeper.__all__)
    assert imported_for_type_checkers(sessionkeeper) == exported
    for name, wing in exported.items():
        assert getattr(sessionkeeper, name) is getattr(wings[wing], name), name


@pytest.mark.parametrize("package", ["sessionkeeper.stores", "sessionkeeper.values"])
def test_a_lazy_wing_finds_each_name_where_a_type_checker_does(package: str) -> None:
    """Its table of modules is for a program that runs, its imports are for type checkers."""
    wing = importlib.import_module(package)
    assert imported_for_type_checkers(wing) == wing._MODULES
    assert wing._MODULES.keys() == set(wing.__all__)


@pytest.mark.parametrize(
    "package", ["sessionkeeper", "sessionkeeper.stores", "sessionkeeper.values"]
)
def test_a_name_that_is_not_public_is_no_attribute(package: str) -> None:
    """And `dir` shows those that are, before they are used."""
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018 - reading it raises
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", ["sessionkeeper", "sessionlab"])
def test_every_wing_says_what_it_is_for_and_its_rule(package: str) -> None:
    """And in which order to read it: the docstring of its `__init__`."""
    top = importlib.import_module(package)
    wings = [found.name for found in pkgutil.iter_modules(top.__path__) if found.ispkg]
    assert len(wings) >= 8
    for wing in wings:
        said = importlib.import_module(f"{package}.{wing}").__doc__ or ""
        assert "Rule: " in said, wing
