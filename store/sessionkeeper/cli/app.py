"""Commands and how they fail: one line on stderr, exit code 2 for wrong use, no traceback."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from . import bench, check, compare, copying, demo, looking, moving, record
from .console import complain

__all__ = ["app", "run"]

app = typer.Typer(
    name="sessionkeeper",
    help="Keep sessions and their protocol messages.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(
    "record", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False}
)(record.record)
app.command("demo")(demo.demo)
app.command("check")(check.check_files)
app.command("compare")(compare.compare_designs)
app.command("bench")(bench.bench)
app.command("ls")(looking.ls)
app.command("show")(looking.show)
app.command("tail")(looking.tail)
app.command("stats")(looking.stats)
app.command("export")(moving.export_sessions)
app.command("import")(moving.import_sessions)
app.command("copy")(copying.copy)
app.command("purge")(moving.purge)

_TAKING_IDS = frozenset({"show", "tail", "export"})


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sessionkeeper {version('sessionkeeper')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep sessions and their protocol messages."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    # Which SQLite is in use, `stats` tells who asks; not a line before every command's own.
    logging.getLogger("sessionkeeper.sqlite").addHandler(logging.NullHandler())
    command = typer.main.get_command(app)
    if not arguments:
        arguments = ["--help"]
    try:
        code = command.main(args=list(arguments), prog_name="sessionkeeper", standalone_mode=False)
    except TyperException as error:
        message = error.format_message()
        # One id in 64 begins so, and is printed so by `ls`.
        if arguments[0] in _TAKING_IDS and message.startswith("No such option: -"):
            message += "; an id that begins with - goes after --"
        complain(message)
        return error.exit_code
    return code if isinstance(code, int) else 0
