"""Commands and how they fail: one line on stderr, exit code 2 for wrong use, no traceback.

A command's module is imported when the command is called, and all of them for the help. Other
packages add commands by entry points of the group `sessionkeeper.commands`, as `sessionlab` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from .console import complain

__all__ = ["make_app", "run"]

GROUP = "sessionkeeper.commands"

_OWN = {
    "record": "record",
    "demo": "demo",
    "ls": "inspect",
    "show": "inspect",
    "tail": "inspect",
    "stats": "inspect",
    "export": "export_import",
    "import": "export_import",
    "copy": "copy",
    "purge": "export_import",
    "restore": "restore",
}
"""The module of each command of this package, in the order of the help."""
_FUNCTIONS = {"export": "export_sessions", "import": "import_sessions"}
"""Where a command's function has another name, because its own is taken in Python."""
_SETTINGS: dict[str, dict[str, object]] = {
    # What follows the server's command is the server's, options too.
    "record": {"allow_interspersed_args": False, "ignore_unknown_options": False}
}
_TAKING_IDS = frozenset({"show", "tail", "export"})


def run(arguments: Sequence[str], *, on_loaded: Callable[[], None] | None = None) -> int:
    """Run one command line and return its exit code; `on_loaded` is called before the command."""
    arguments = list(arguments) or ["--help"]
    command = typer.main.get_command(make_app(arguments[0]))
    if on_loaded is not None:
        on_loaded()
    try:
        code = command.main(args=arguments, prog_name="sessionkeeper", standalone_mode=False)
    except TyperException as error:
        message = error.format_message()
        # One id in 64 begins so, and is printed so by `ls`.
        if arguments[0] in _TAKING_IDS and message.startswith("No such option: -"):
            message += "; an id that begins with - goes after --"
        complain(message)
        return error.exit_code
    return code if isinstance(code, int) else 0


def make_app(name: str | None = None) -> typer.Typer:
    """Make the command line with the command of that name alone, or with all if there is none."""
    app = typer.Typer(
        name="sessionkeeper",
        help="Keep sessions and their protocol messages.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    commands = _commands(name)
    for each in [name] if name in commands else commands:
        app.command(each, context_settings=_SETTINGS.get(each))(commands[each]())
    return app


def _commands(name: str | None) -> dict[str, Callable[[], Callable[..., Any]]]:
    """How to load each command, by its name; the others' only if that is not one of our own."""
    commands: dict[str, Callable[[], Callable[..., Any]]] = {
        own: partial(_load_own, own) for own in _OWN
    }
    if name not in commands:
        # Looking for entry points reads the metadata of all that is installed.
        for entry_point in sorted(entry_points(group=GROUP)):
            commands.setdefault(entry_point.name, entry_point.load)
    return commands


def _load_own(name: str) -> Callable[..., Any]:
    module = import_module(f".{_OWN[name]}", __package__)
    function: Callable[..., Any] = getattr(module, _FUNCTIONS.get(name, name))
    return function


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sessionkeeper {version('sessionkeeper')}")
        raise typer.Exit


def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep sessions and their protocol messages."""
