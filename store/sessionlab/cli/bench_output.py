"""Shows the result of `sessionkeeper bench`, and writes its files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TypeAlias

import msgspec
from sessionkeeper.cli.console import complain, print_line

from ..bench import BenchResult
from ..bench.side_by_side.results import ComparisonResult

__all__ = ["Result", "show_and_write", "writable"]

Result: TypeAlias = BenchResult | ComparisonResult


def show_and_write(
    result: Result, output: Path | None, html: Path | None, *, as_json: bool
) -> bool:
    """Write the files and show the result; return whether everything succeeded.

    One failure does not stop the rest: measuring again takes time.
    """
    written: list[Path] = []
    failures: list[str] = []
    for file, write in ((html, _write_page), (output, _write_json)):
        try:
            if file is not None:
                write(result, file)
                written.append(file)
        except OSError as error:
            failures.append(f"{file}: {error.strerror or error}")
    try:
        if as_json:
            print_line(json.dumps(msgspec.to_builtins(result)))
        else:
            _show(result, written)
    except OSError as error:
        # The reader is gone, as in `bench | head`: Python must not flush again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            failures.append(f"output: {error.strerror or error}")
    for failure in failures:
        complain(failure)
    return not failures


def writable(file: Path) -> bool:
    folder = file.absolute().parent
    try:
        if file.is_dir() or not folder.is_dir():
            return False
        return os.access(file if file.exists() else folder, os.W_OK)
    except OSError:  # the name is too long, or the folder is not accessible
        return False


def _show(result: Result, written: list[Path]) -> None:
    if isinstance(result, ComparisonResult):
        from .peers_table import show_comparison

        show_comparison(result, written)
    else:
        from .bench_table import show_result

        show_result(result, written)


def _write_page(result: Result, file: Path) -> None:
    if isinstance(result, ComparisonResult):
        from ..bench.report import write_comparison

        write_comparison(result, file)
    else:
        from ..bench.report import write_page

        write_page(result, file)


def _write_json(result: Result, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
