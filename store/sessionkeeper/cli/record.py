"""`sessionkeeper record -- COMMAND…` records an MCP server on stdio.

Usual command lines do not come here: see `record_options`. Then read `record_run`, which starts the
server, `record_session` and `record_summary`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from ..stores.config import backend_from_url
from .record_options import RecordOptions, parse_name, parse_rule, parse_size, parse_tag
from .record_run import run_recorder
from .stores import STORES, describe_error

__all__ = ["record"]

T = TypeVar("T")


def record(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Command of the server, after --.", show_default=False),
    ] = None,
    store: Annotated[
        str,
        typer.Option(help=f"Store URL: {STORES}. memory:// ends with the process."),
    ] = "memory://",
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the session.", show_default=False)
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag of the session; repeatable.", show_default=False)
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Take out before storing; repeatable. A preset (secrets, tokens, keys, passwords,"
            " emails), name:MEMBER, a JSON path as $.params.arguments.key, or module:function.",
            show_default=False,
        ),
    ] = None,
    stderr: Annotated[
        bool, typer.Option("--stderr", help="Record what the server writes on stderr, too.")
    ] = False,
    require_store: Annotated[
        bool,
        typer.Option(
            "--require-store/--best-effort",
            help="Do not start the server if the store cannot open, or start it anyway.",
        ),
    ] = False,
    max_message: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Bytes of the largest message to record, as 64MiB; a larger one leaves a gap.",
        ),
    ] = "16MiB",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no summary at the end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one line of JSON, on stderr.")
    ] = False,
) -> int:
    """Run an MCP server on stdio and record its traffic.

    Put `sessionkeeper record --` before the server's command in your client's configuration.
    Every byte is forwarded unchanged. Standard error, signals and the exit code are the server's.
    Lines that are no JSON-RPC message are recorded, too. A summary goes to stderr at the end. If
    the store cannot be opened, the server runs nevertheless, and the store is tried again.
    """
    if not command:
        raise typer.BadParameter(
            "give the command of the server, as in `sessionkeeper record -- python server.py`",
            param_hint="COMMAND",
        )
    options = RecordOptions(
        command=tuple(command),
        store=store,
        require_store=require_store,
        max_message=_parse(parse_size, max_message, "--max-message"),
        stderr=stderr,
        name=None if name is None else _parse(parse_name, name, "--name"),
        tags=tuple(_parse(parse_tag, each, "--tag") for each in tag or ()),
        redact=tuple(_parse(parse_rule, each, "--redact") for each in redact or ()),
        quiet=quiet,
        as_json=as_json,
    )
    try:
        backend_from_url(store)
        return run_recorder(options)
    except ValueError as error:
        raise typer.BadParameter(describe_error(error), param_hint="--store") from None


def _parse(parse: Callable[[str], T], text: str, option: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
