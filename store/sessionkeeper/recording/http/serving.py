"""Serves a proxy on a port, with uvicorn, until it is told to end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import uvicorn

from .addresses import ListenAddress, ServerAddress
from .proxy import HttpProxy

__all__ = ["CannotListen", "Serving", "check_certificate", "listen_on", "trust"]

_KEEP_ALIVE = 120
"""Seconds that an idle connection of a client is kept."""
_HANDSHAKE = 5.0
"""Seconds for a look at the server's certificate at the start."""
_LAST_ANSWERS = 0.3
"""Seconds for answers that are being sent when the end is asked for."""


class CannotListen(OSError):
    """The address is taken, or is none of this machine."""


def listen_on(listen: str) -> socket.socket:
    """Return a socket that listens on a host and port; port 0 is any that is free.

    Raises `CannotListen`, or `ValueError` for what is no address.
    """
    address = ListenAddress.parse(listen)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise CannotListen(f"cannot listen on {address}: the host is not known") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken" if taken else os.strerror(error.errno or 0).lower()
        raise CannotListen(f"cannot listen on {address}: {reason}") from None
    listener.setblocking(False)
    return listener


def trust(server: ServerAddress, ca: str | None = None) -> ssl.SSLContext | None:
    """Return whom to trust for https; None for http. `ca` is a file of one more authority.

    Raises `OSError` that names the file.
    """
    if server.scheme != "https":
        return None
    context = httpx2.create_ssl_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise OSError(f"{ca} has no certificate of an authority (--ca)") from None
        except OSError as error:
            raise OSError(f"cannot read {ca}: {os.strerror(error.errno or 0)} (--ca)") from None
    return context


async def check_certificate(server: ServerAddress, tls: ssl.SSLContext | None) -> None:
    """Raise `OSError` if the server is there and its certificate does not fit."""
    if tls is None:
        return
    try:
        async with asyncio.timeout(_HANDSHAKE):
            _, writer = await asyncio.open_connection(server.host, server.port, ssl=tls)
    except ssl.SSLCertVerificationError as error:
        text = f"{server.origin}: its certificate does not fit: {error.verify_message}"
        raise OSError(f"{text} (--ca trusts another authority)") from None
    except (OSError, TimeoutError):
        return  # it may start later; then each request tells what is wrong
    writer.close()


class Serving(uvicorn.Server):
    """One run of a proxy on a listener, which it closes."""

    def __init__(self, proxy: HttpProxy, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                proxy,
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                access_log=False,
                log_config=None,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        # It logs every connection that is cut, which is how a proxy shows that the server left.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the caller."""
        yield

    async def run_until(self, ended: asyncio.Event) -> None:
        """Serve until the event is set; then cut what is not answered soon."""
        running = asyncio.create_task(self.serve(sockets=[self._listener]))
        waiting = asyncio.create_task(ended.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            self.should_exit = True
            await asyncio.wait({running}, timeout=_LAST_ANSWERS)
        finally:
            waiting.cancel()
            self.should_exit = self.force_exit = True
            for task in list(self.server_state.tasks):
                task.cancel()
            await running
