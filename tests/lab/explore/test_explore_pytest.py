"""The fixture, and what the package needs."""

from __future__ import annotations

import ast
import asyncio
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from sessionlab import explore as package
from sessionlab.explore import ExplorationFailed
from sessionlab.explore.pytest_plugin import Explorer

TESTS = """
import asyncio

runs = 0

def lost(n):
    async def scenario():
        global runs
        runs += 1
        count = 0

        async def add():
            nonlocal count
            seen = count
            await asyncio.sleep(0)
            count = seen + 1

        await asyncio.gather(*(add() for _ in range(n)))
        assert count == n

    return scenario

def test_right(explorer):
    explorer(lost(1))
    print("runs:", runs)

def test_wrong(explorer):
    explorer(lost(2))
"""


def test_the_fixture_works_in_anybodys_pytest(tmp_path: Path) -> None:
    """`-p sessionlab.explore.pytest_plugin`, nothing else; the report is in the failure."""
    (tmp_path / "test_it.py").write_text(TESTS)
    options = ["-p", "sessionlab.explore.pytest_plugin", "-p", "no:cacheprovider", "-q", "-rP"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, *options, "--explore-seeds", "7"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "runs: 7" in done.stdout
    assert "replay token x1:" in done.stdout
    assert "add-2" in done.stdout


def test_a_strategy_may_be_asked_for_and_coverage_is_shown(tmp_path: Path) -> None:
    """`--explore-strategy systematic -v`: every order of the scenario, and how many there are."""
    (tmp_path / "test_it.py").write_text(TESTS)
    options = ["-p", "sessionlab.explore.pytest_plugin", "-p", "no:cacheprovider", "-v"]
    options += ["--explore-strategy", "systematic", "-k", "right"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    covered = "1 run, 1 order, no failure; there is no other order of the tasks"
    assert f"test_it.py::test_right: {covered}" in done.stdout, done.stdout + done.stderr


def test_the_fixture_returns_what_was_run(explorer: Explorer) -> None:
    """It raises, with the scenario's error as the cause."""

    async def scenario() -> None:
        await asyncio.sleep(0)

    async def wrong() -> None:
        raise KeyError

    assert explorer(scenario, seeds=5).runs >= 5
    with pytest.raises(ExplorationFailed) as raised:
        explorer(wrong)
    assert isinstance(raised.value.__cause__, KeyError)
    assert Explorer(token="x1:")(scenario).runs == 1
    with pytest.raises(KeyError):
        Explorer(token="x1:")(wrong)


def test_the_explorer_needs_the_standard_library_and_nothing_of_the_store() -> None:
    """Copied into another project, it would run there."""
    for module in pkgutil.iter_modules(package.__path__):
        others = {"_typeshed"} | ({"pytest"} if module.name == "pytest_plugin" else set())
        source = Path(package.__path__[0], f"{module.name}.py").read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                if node.level == 1:
                    continue
                names = [f"{'.' * node.level}{node.module}"]
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                assert top in {*sys.stdlib_module_names, *others}, f"{module.name}: {name}"


def test_every_public_name_is_there_and_described() -> None:
    """`__all__` is the truth, in each module too."""
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        thing = getattr(package, name)
        assert thing.__doc__ or name in ("Scenario", "Strategy"), name
    for module in pkgutil.iter_modules(package.__path__):
        found = importlib.import_module(f"{package.__name__}.{module.name}")
        assert found.__doc__
        assert all(hasattr(found, name) for name in found.__all__)
