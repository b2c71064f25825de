"""Runs the public tests of a peer against our integration with it.

They come from the source distribution of the peer's installed release, which is fetched from the
package registry into a cache folder. A folder of unpacked source distributions in
`SESSIONKEEPER_PEER_SOURCES` is used first: it serves where there is no network, and for a peer that
publishes its tests elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

__all__ = ["PeerOutcome", "fetch_source", "fetch_tools", "run_peer_tests"]

HERE = Path(__file__).parent


@dataclass(slots=True)
class PeerOutcome:
    """What became of a peer's tests, by their names."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    output: str = ""

    def __str__(self) -> str:
        lost = f", failed: {', '.join(self.failed)}" if self.failed else ""
        return f"{len(self.passed)} passed, {len(self.skipped)} skipped{lost}"


def fetch_source(package: str, *, has: str) -> Path:
    """Return the source of the installed release of `package`, which has the path `has`.

    Skips the test, with the reason, if the package is not installed or its tests cannot be had.
    """
    try:
        name = f"{package.replace('-', '_')}-{version(package)}"
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    if folder := os.environ.get("SESSIONKEEPER_PEER_SOURCES"):
        source = Path(folder) / name
        if (source / has).exists():
            return source
    source = _cache() / name
    with source.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may want it
        if not source.exists():
            _download(package, source)
    if not (source / has).exists():
        pytest.skip(f"the tests of {package} are not in its source distribution: {has}")
    return source


def fetch_tools(*requirements: str) -> Path:
    """Return a folder with packages that only the tests of a peer import.

    They are not in the environment, where their plug-ins of pytest would join every run. Skips the
    test if they cannot be had.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cache() / f"tools-{python}-{'-'.join(sorted(requirements))}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
            with TemporaryDirectory(dir=folder.parent) as scratch:
                command = (*pip, "--target", f"{scratch}/tools", *requirements)
                done = subprocess.run(command, capture_output=True, check=False)
                if done.returncode:
                    pytest.skip(f"packages cannot be had: {', '.join(requirements)}")
                Path(scratch, "tools").rename(folder)
    return folder


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sessionkeeper" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _download(package: str, source: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check")
    wanted = ("--no-deps", "--no-binary", ":all:", f"{package}=={version(package)}")
    with TemporaryDirectory(dir=source.parent) as folder:
        done = subprocess.run((*pip, *wanted, "-d", folder), capture_output=True, check=False)
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            pytest.skip(f"the source distribution of {package} cannot be had")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        (Path(folder) / source.name).rename(source)


def run_peer_tests(
    source: Path,
    tests: Sequence[str],
    *,
    plugin: str,
    tools: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 800,
) -> PeerOutcome:
    """Run tests of a peer with its own settings in a process of its own.

    `tests` are arguments for pytest. `plugin` names a module of this folder, such as
    `mcp.sdk_plugin`, which puts our integration in the place of the peer's class. `tools` is a
    folder of packages for them.
    """
    folder, _, module = plugin.rpartition(".")
    with TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        folders = (
            str(HERE / folder.replace(".", "/")),
            *sys.path[1:],
            *([str(tools)] * bool(tools)),
        )
        path = os.pathsep.join(folders)
        command = (sys.executable, "-m", "pytest", "-p", module, "-p", "no:cacheprovider")
        done = subprocess.run(
            (*command, f"--junitxml={report}", "--basetemp", f"{scratch}/tests", *tests),
            cwd=source,
            env=os.environ | {"PYTHONPATH": path} | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert report.exists(), done.stdout
        return _read(report, done.stdout)


def _read(report: Path, output: str) -> PeerOutcome:
    outcome = PeerOutcome(output=output)
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        name = f"{case.get('classname')}::{case.get('name')}"
        if kinds & {"failure", "error"}:
            outcome.failed.append(name)
        else:
            (outcome.skipped if "skipped" in kinds else outcome.passed).append(name)
    return outcome
