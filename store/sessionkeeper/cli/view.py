"""`sessionkeeper view` shows a store in the browser."""

from __future__ import annotations

import errno
import json
from typing import Annotated

import typer

from .console import complain, print_line, say
from .stores import (
    BAD_INPUT,
    AsJson,
    StoreUrl,
    find_session,
    open_store,
    run_command,
    store_name,
)

__all__ = ["view"]


def view(
    store: StoreUrl,
    session: Annotated[
        str | None,
        typer.Argument(help="The session to show first.", show_default="the last used one"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on loopback; 0 takes a free one.")
    ] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the address in the browser.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show a store in the browser: sessions, calls on a timeline, messages and problems, live.

    Prints an address on this machine and serves it until Ctrl-C. Only a browser that knows the
    address can read the store, and nothing is changed. What other processes record appears at once.
    --json prints the address as the member `url`.
    """
    return run_command(_view(store, session, port, open_browser=open_browser, as_json=as_json))


async def _view(
    url: str, asked: str | None, port: int, *, open_browser: bool, as_json: bool
) -> int:
    try:
        from ..viewer.server import ViewServer
    except ModuleNotFoundError as missing:
        complain(f"{missing.name} is not installed: pip install 'sessionkeeper[view]'")
        return BAD_INPUT
    async with open_store(url) as store:
        shown = None if asked is None else await find_session(store, asked)
        try:
            server = ViewServer(store, store_name(url), port=port)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "is taken; --port 0 takes a free one" if taken else f"{error.strerror}"
            complain(f"port {port} {reason}")
            return BAD_INPUT
        address = server.address(**({} if shown is None else {"session": shown.incarnation}))
        print_line(json.dumps({"url": address}) if as_json else address)
        say("Ctrl-C ends it.")
        if open_browser:
            typer.launch(address)
        await server.run()
    return 0
