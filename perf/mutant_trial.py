"""A copy of the tree in which a module is replaced, and its tests run in a process of their own.

The process is forked from one that has imported pytest and the libraries, and nothing of ours.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory

__all__ = ["Trial", "TrialTree"]

_TREES = ("actors", "store", "tests", "perf", "docs")
_FILES = ("pyproject.toml", "README.md", "LICENSE")
# What the tests import and no mutant changes; not the plugins of pytest, which it imports itself.
_LIBRARIES = ("asyncio", "msgspec", "pydantic", "redis.asyncio", "hiredis", "sqlite3", "pytest")
_A_TEST = 40
"""Seconds after which a test that still waits has failed: a hundred times what most take."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.M)


@dataclass(frozen=True, slots=True)
class Trial:
    """What tests said."""

    outcome: str
    """`survived`, `killed`, or `timed out`."""
    seconds: float
    by: str
    """The first test that failed, or the last lines of the output."""


class TrialTree:
    """A copy of the tree, for one trial at a time."""

    def __init__(self, root: Path, copy: Path) -> None:
        self._root = root
        self._copy = copy
        self._child = 0
        self._output = copy / "output.txt"
        self.left_out: list[str] = []
        """Tests that are not asked: they fail without a fault."""
        digest = sha256()
        for name in _TREES:
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in _FILES:
            shutil.copy(root / name, copy / name)
        for path in sorted(path for name in _TREES[:3] for path in (copy / name).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(copy)} ".encode() + path.read_bytes())
        self.digest = digest.hexdigest()[:12]
        """What tells this tree from another."""
        for name in ("actors", "store"):
            # Never compared with the sources: the one that changes has none while it is changed.
            compileall.compile_dir(
                copy / name, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
            )
        for name in _LIBRARIES:
            importlib.import_module(name)

    @classmethod
    @contextmanager
    def of(cls, root: Path) -> Iterator[TrialTree]:
        """Make a copy that is gone afterwards, with all that still runs in it."""
        with TemporaryDirectory(prefix="mutants-") as folder:
            tree = cls(root, Path(folder))
            try:
                yield tree
            finally:
                tree.end()

    def read(self, file: str) -> str:
        """Return a module as it is."""
        return (self._root / file).read_text(encoding="utf-8")

    def leave_out(self, tests: Sequence[str]) -> None:
        """Ask these tests no more."""
        self.left_out += [test for test in tests if test not in self.left_out]

    def leave_out_failing(self, tests: Sequence[str], limit: float) -> list[str]:
        """Run all tests without a fault; leave out and return those that fail."""
        self._wait(self._fork(tests, ("--maxfail=20",)), time.monotonic() + limit)
        failed = _FAILED.findall(self._output.read_text(encoding="utf-8", errors="replace"))
        self.leave_out(failed)
        return failed

    def run(self, tests: Sequence[str], limit: float) -> Trial:
        """Run tests until one fails, at most `limit` seconds."""
        begun = time.monotonic()
        status = self._wait(self._fork(tests, ("-x",)), begun + limit)
        seconds = time.monotonic() - begun
        text = self._output.read_text(encoding="utf-8", errors="replace")
        failed = _FAILED.search(text)
        by = failed[1] if failed else "\n".join(text.splitlines()[-5:])
        if status is None:
            return Trial("timed out", seconds, "")
        if "++ Timeout ++" in text:
            return Trial("timed out", seconds, by)
        return Trial("survived" if status == 0 else "killed", seconds, by if status else "")

    def run_changed(self, file: str, source: str, tests: Sequence[str], limit: float) -> Trial:
        """Run tests with another source of a module."""
        path = self._copy / file
        compiled = Path(importlib.util.cache_from_source(str(path)))
        kept = path.read_bytes(), compiled.read_bytes()
        compiled.unlink()
        path.write_text(source, encoding="utf-8")
        try:
            return self.run(tests, limit)
        finally:
            path.write_bytes(kept[0])
            compiled.write_bytes(kept[1])

    def end(self) -> None:
        """End what still runs."""
        if self._child:
            try:
                os.killpg(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
            self._child = 0

    def _fork(self, tests: Sequence[str], options: Sequence[str]) -> int:
        sys.stdout.flush()
        self._child = os.fork()
        if self._child == 0:
            try:
                os._exit(self._pytest(tests, options))
            finally:
                os._exit(70)
        return self._child

    def _pytest(self, tests: Sequence[str], options: Sequence[str]) -> int:
        import pytest

        os.setsid()
        output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(self._copy)
        # For the processes that tests start; this one gets its paths from the configuration.
        os.environ["PYTHONPATH"] = os.pathsep.join(str(self._copy / each) for each in _TREES[:2])
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
        usual = ["-q", "-p", "no:cacheprovider", "--tb=line"]
        # By the thread, which ends the process: a loop that hangs would hang again at the end.
        usual += ["-o", f"timeout={_A_TEST}", "-o", "timeout_method=thread"]
        left_out = [f"--deselect={test}" for test in self.left_out]
        return int(pytest.main([*usual, *options, *left_out, *tests]))

    def _wait(self, child: int, until: float) -> int | None:
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._child = 0
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= until:
                self.end()
                return None
            time.sleep(0.02)
