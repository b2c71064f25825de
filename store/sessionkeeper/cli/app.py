"""The commands. Wrong usage prints one line on stderr, without a traceback, and exits with 2.

A command's module is imported when the command is called; the help imports all of them. Other
packages add commands with entry points of the group `sessionkeeper.commands`, as `sessionlab` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points, version
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from .console import complain, print_line
from .record_options import is_web_address

__all__ = ["make_app", "run"]

GROUP = "sessionkeeper.commands"
_SUMMARY = "Record, inspect, copy and test sessions of the Model Context Protocol."

_OWN = {
    "record": "record",
    "view": "view",
    "ls": "ls",
    "show": "show",
    "calls": "calls",
    "tail": "tail",
    "grep": "grep",
    "problems": "problems",
    "stats": "stats",
    "runs": "runs",
    "lint": "lint",
    "export": "export_sessions",
    "import": "import_sessions",
    "copy": "copy",
    "end": "end",
    "rm": "rm",
    "purge": "purge",
    "restore": "restore",
    "demo": "demo",
}
"""The module of each command of this package, in the order of the help."""
_FUNCTIONS = {"export": "export_sessions", "import": "import_sessions"}
"""Commands whose function needs another name, because Python uses theirs."""
_SETTINGS: dict[str, dict[str, object]] = {
    # Options after the server's command belong to the server; after a URL, they are ours.
    "record": {"allow_interspersed_args": False, "ignore_unknown_options": False}
}
_ID_COMMANDS = frozenset(
    {"calls", "show", "tail", "grep", "view", "problems", "lint", "stats", "export", "end", "rm"}
)
_UNHEARD = logging.NullHandler()


class _RecordCommand(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with suppress(TyperException):  # it is raised again
            values: dict[str, Any] = self.make_parser(ctx).parse_args(args=list(args))[0]
            words: list[str] = values.get("command") or []
            ctx.allow_interspersed_args = is_web_address("".join(words[:1]))
        return super().parse_args(ctx, args)


def run(arguments: Sequence[str], *, on_loaded: Callable[[], None] | None = None) -> int:
    """Run one command line and return its exit code; `on_loaded` is called before the command."""
    arguments = list(arguments) or ["--help"]
    # Standard error belongs to the command: `stats` shows known bugs of SQLite instead.
    logging.getLogger("sessionkeeper.sqlite").addHandler(_UNHEARD)
    command = typer.main.get_command(make_app(arguments[0]))
    if on_loaded is not None:
        on_loaded()
    try:
        code = command.main(args=arguments, prog_name="sessionkeeper", standalone_mode=False)
    except TyperException as error:
        message = error.format_message()
        # One id in 64 starts with a hyphen, and `ls` prints it.
        if arguments[0] in _ID_COMMANDS and message.startswith("No such option: -"):
            message += "; put -- before an id that starts with -"
        complain(message)
        return error.exit_code
    return code if isinstance(code, int) else 0


def make_app(name: str | None = None) -> typer.Typer:
    """Return the command line with only the command of this name, or with all of them."""
    app = typer.Typer(
        name="sessionkeeper",
        add_completion=name not in _OWN,  # a command starts sooner without it
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback(help=_SUMMARY)(_root)
    commands = _commands(name)
    for each in [name] if name in commands else commands:
        function = commands[each]()
        settings = _SETTINGS.get(each)
        kind = _RecordCommand if each == "record" else None
        app.command(each, cls=kind, help=_reflow(function.__doc__), context_settings=settings)(
            function
        )
    return app


def _reflow(text: str | None) -> str:
    """Join the lines of each paragraph: the help would keep the source's line breaks."""
    return "\n\n".join(" ".join(each.split()) for each in cleandoc(text or "").split("\n\n"))


def _commands(name: str | None) -> dict[str, Callable[[], Callable[..., Any]]]:
    """How to load each command, by name; those of other packages only for an unknown name."""
    commands: dict[str, Callable[[], Callable[..., Any]]] = {
        own: partial(_load_own, own) for own in _OWN
    }
    if name not in commands:
        # Searching entry points reads the metadata of all installed packages.
        for entry_point in sorted(entry_points(group=GROUP)):
            commands.setdefault(entry_point.name, entry_point.load)
    return commands


def _load_own(name: str) -> Callable[..., Any]:
    module = import_module(f".{_OWN[name]}", __package__)
    function: Callable[..., Any] = getattr(module, _FUNCTIONS.get(name, name))
    return function


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"sessionkeeper {version('sessionkeeper')}")
        raise typer.Exit


def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the command line itself."""
