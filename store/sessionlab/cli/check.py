"""`sessionkeeper check FILE…`: are these histories linearizable?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sessionkeeper.cli.console import INTERRUPTED, complain, print_line
from sessionkeeper.cli.file_kinds import FileKind, kind_of_file
from sessionkeeper.cli.progress import progress_bar

from .. import (
    MODELS,
    AnyModel,
    CheckResult,
    History,
    HistoryFormat,
    Layer,
    Operation,
    Outcome,
    Verdict,
    check,
    find_anomalies,
    find_model,
    read_history,
)
from ..linearizability.time_limit import OutOfTime, TimeLimit
from .alarm import alarm

if TYPE_CHECKING:
    from ..designs.results import Picture

__all__ = ["check_files"]

ILLEGAL, BAD_INPUT, UNDECIDED = 1, 2, 3
_SHOWN = 20
_MARGIN = 0.5
"""Seconds after the time limit until what did not look at the clock is ended."""
_NOT_EXPLAINED = "not explained: time limit"


@dataclass(frozen=True, slots=True)
class _Checked:
    file: str
    model: AnyModel | None
    """None if the time limit passed before the file was read; so is the history."""
    result: CheckResult
    seconds: float
    history: History | None
    limit: TimeLimit
    """What is left of it is for the explanation."""


def check_files(  # noqa: PLR0917 - as typer wants them
    files: Annotated[list[Path], typer.Argument(help="History files.", show_default=False)],
    format: Annotated[
        HistoryFormat | None,
        typer.Option(help="Format of the files.", show_default="detected"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Model to check against: {', '.join(MODELS)}.", show_default="named in the file"
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.0, help="Timeout per file, in seconds.", show_default="no limit"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Explain each result.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON per file.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write an HTML page with a picture of each violation.", show_default="none"
        ),
    ] = None,
) -> int:
    """Decide whether recorded histories are linearizable.

    Reads histories that this library records, Jepsen logs of a compare-and-set register, and
    key-value runs with one EDN map per line. Exit code 0 if all are OK, 1 if one is ILLEGAL, 3 if
    one is UNKNOWN because of a limit, 2 if a file is not a readable history.
    """
    if model is not None and model not in MODELS:
        raise typer.BadParameter(f"expected one of {', '.join(MODELS)}", param_hint="--model")
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{html} cannot be written", param_hint="--html")
    codes = {0}
    shown: list[tuple[str, Picture | str]] = []
    quick = html is None and (as_json or not verbose)
    try:
        for checked in _checked(files, format, model, timeout, quick=quick):
            if checked is None:
                codes.add(BAD_INPUT)
                continue
            verdict = checked.result.verdict
            codes.add({Verdict.ILLEGAL: ILLEGAL, Verdict.UNKNOWN: UNDECIDED}.get(verdict, 0))
            if html is not None:
                shown += _pictures(checked)
            if as_json:
                print_line(_as_json(checked))
            else:
                print_line(_summary(checked))
                if verbose:
                    for line in _explanation(checked):
                        print_line(f"  {line}")
        if html is not None:
            _write_page(shown, html)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except OSError as error:
        complain(f"{html}: {error.strerror or error}")
        codes.add(BAD_INPUT)
    return next(code for code in (BAD_INPUT, ILLEGAL, UNDECIDED, 0) if code in codes)


def _checked(
    files: list[Path],
    format: HistoryFormat | None,
    model: str | None,
    timeout: float | None,
    *,
    quick: bool,
) -> Iterator[_Checked | None]:
    """Check each file; yield None for a file that is not a history, after an error message."""
    with progress_bar("checking", len(files)) as bar:
        for file in files:
            bar.update(file.name)
            yield _check_file(file, format, model, timeout, quick=quick)
            bar.advance()


def _check_file(
    file: Path,
    format: HistoryFormat | None,
    model: str | None,
    timeout: float | None,
    *,
    quick: bool,
) -> _Checked | None:
    begun = time.perf_counter()
    limit = TimeLimit(timeout)
    kind = kind_of_file(file)
    if format is None and kind is not None and kind is not FileKind.HISTORY:
        complain(f"{file} is {kind.describe(str(file))}")
        return None
    history = judge = None
    try:
        with alarm(None if timeout is None else timeout + _MARGIN):
            history = read_history(file, format=format, limit=limit)
            judge = find_model(model or history.header.model)
            _check_shapes(file, history, judge, limit)
            result = check(history, judge, timeout=limit.left, explain_illegal=not quick)
    except OutOfTime:
        operations = 0 if history is None else len(history.operations)
        result = CheckResult(Verdict.UNKNOWN, Layer.SEARCH, operations, 0, reason="time limit")
    except OSError as error:
        complain(f"{file}: {error.strerror or error}")
        return None
    except ValueError as error:
        complain(str(error))
        return None
    seconds = time.perf_counter() - begun
    return _Checked(str(file), judge, result, seconds, history, limit)


def _check_shapes(file: Path, history: History, model: AnyModel, limit: TimeLimit) -> None:
    """Raise `ValueError` for an operation that the model cannot judge; `OutOfTime`."""
    for number, operation in enumerate(limit.watch(history.operations), 1):
        try:
            model.check_shape(operation)
        except ValueError as error:
            raise ValueError(f"{file}, operation {number}: {error}") from None


def _pictures(checked: _Checked) -> Iterator[tuple[str, Picture | str]]:
    """Yield what the page shows of a file: the smallest counterexample, then its component."""
    from ..designs.pictures import picture_of_component, picture_of_counterexample

    result, name = checked.result, Path(checked.file).name
    history, model = checked.history, checked.model
    if result.verdict is not Verdict.ILLEGAL or history is None or model is None:
        yield name, _summary(checked)
        return
    try:
        with alarm(checked.limit.left):
            small = picture_of_counterexample(history, result, model)
            whole = picture_of_component(history, result, model)
    except OutOfTime:
        yield name, f"{_summary(checked)}; {_NOT_EXPLAINED}"
        return
    yield name, small
    if len(whole.bars) > len(small.bars):
        yield f"{name}: all calls of the same component", whole


def _write_page(shown: list[tuple[str, Picture | str]], html: Path) -> None:
    from ..designs.report import write_pictures

    write_pictures("Histories checked", shown, html)


def _as_json(checked: _Checked) -> str:
    return json.dumps(
        {
            "file": checked.file,
            "verdict": checked.result.verdict.value,
            "operations": checked.result.operations,
            "seconds": round(checked.seconds, 6),
        }
    )


def _summary(checked: _Checked) -> str:
    result = checked.result
    by = result.reason or result.layer.value
    model = checked.model
    return (
        f"{result.verdict:<7}  {checked.file}  {result.operations} operations"
        f"  {checked.seconds:.2f} s  ({'' if model is None else f'{model.name}, '}{by})"
    )


def _explanation(checked: _Checked) -> list[str]:
    """Explain a result in lines, as far as there is time left for it."""
    try:
        with alarm(checked.limit.left):
            return list(_explain(checked))
    except OutOfTime:
        return [_NOT_EXPLAINED] if checked.result.verdict is Verdict.ILLEGAL else []


def _explain(checked: _Checked) -> Iterator[str]:
    result = checked.result
    if checked.history is None or checked.model is None:
        return
    for anomaly in find_anomalies(result, checked.model, checked.history)[:_SHOWN]:
        yield f"{anomaly.kind}: {anomaly.text}"
        if result.contradictions:
            yield from (f"  {_shown(each)}" for each in anomaly.operations)
    example = result.counterexample
    if example is None:
        return
    yield f"an order exists for {len(example.order)} operations; then {example.state}"
    for blocked in example.blocked:
        yield f"cannot come next: {_shown(blocked.operation)}: {blocked.why}"
    yield f"no order exists for these {len(example.shrunk)} operations, starting from"
    yield f"  {' or '.join(example.starts)}:"
    yield from (f"  {_shown(each)}" for each in example.shrunk[:_SHOWN])
    if len(example.shrunk) > _SHOWN:
        yield f"  and {len(example.shrunk) - _SHOWN} more"


def _shown(operation: Operation) -> str:
    """Format an operation without its payloads."""
    end = "…" if operation.returned is None else str(operation.returned)
    outcome = "" if operation.outcome is Outcome.OK else f" ({operation.outcome})"
    return f"[{operation.call}, {end}] client {operation.client} {operation.name}{outcome}"
