"""`sessionkeeper record -- COMMAND…` records an MCP server on stdio.

Usual command lines do not come here: see `record_options`. Then read `record_run`, which starts the
server, `record_session` and `record_summary`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from ..stores.config import backend_from_url
from .record_options import (
    RecordOptions,
    is_web_address,
    parse_name,
    parse_rule,
    parse_size,
    parse_tag,
)
from .record_run import run_recorder
from .stores import STORES, describe_error

__all__ = ["record"]

T = TypeVar("T")

_LISTEN, _IDLE = "127.0.0.1:8900", "300s"


def record(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Command of the server, after --; or its URL.", show_default=False),
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
        list[str] | None,
        typer.Option(help="A tag of the session; may be repeated.", show_default=False),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Take out before storing; may be repeated. A preset (secrets, tokens, keys,"
            " passwords, emails), name:MEMBER, a JSON path as $.params.arguments.key, or"
            " module:function.",
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
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Address of the recorder of a URL; port 0 is a free one."
        ),
    ] = _LISTEN,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let other machines connect to a recorder of a URL."),
    ] = False,
    session_by: Annotated[
        str | None,
        typer.Option(
            metavar="HEADER",
            help="Header of a URL's requests that tells clients without a session id apart.",
            show_default=False,
        ),
    ] = None,
    idle: Annotated[
        str,
        typer.Option(help="Pause that ends the session of a client without a session id."),
    ] = _IDLE,
    ca: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Certificates of one more authority that an https URL may be signed by.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no summary at the end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one line of JSON, on stderr.")
    ] = False,
) -> int:
    """Record an MCP server: a command that speaks stdio, or the URL of a server on HTTP.

    Put `sessionkeeper record --` before the server's command in your client's configuration.
    Every byte is forwarded unchanged. Standard error, signals and the exit code are the server's.
    Lines that are no JSON-RPC message are recorded, too. A summary goes to stderr at the end. If
    the store cannot be opened, the server runs nevertheless, and the store is tried again.

    With a URL, as in `sessionkeeper record http://host/mcp`, it is a reverse proxy. Put the
    address that it prints into your client's configuration in place of the server's.
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
    of_url = (listen, allow_remote, session_by, idle, ca)
    try:
        backend_from_url(store)
        if not is_web_address(command[0]):
            if "://" in command[0]:
                raise typer.BadParameter(  # it is not quoted: a URL may have a password
                    "the URL of a server begins with http:// or https://", param_hint="COMMAND"
                )
            if of_url != (_LISTEN, False, None, _IDLE, None):
                raise typer.BadParameter(
                    "--listen, --allow-remote, --session-by, --idle and --ca are for a URL",
                    param_hint="COMMAND",
                )
            return run_recorder(options)
    except ValueError as error:
        raise typer.BadParameter(describe_error(error), param_hint="--store") from None
    from .record_url import record_url

    return record_url(
        options, listen=listen, allow_remote=allow_remote, session_by=session_by, idle=idle, ca=ca
    )


def _parse(parse: Callable[[str], T], text: str, option: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
