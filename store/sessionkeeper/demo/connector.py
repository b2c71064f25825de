"""What a demo client starts as its "server": it connects the client's pipes to the proxy's socket.

Run as a script: `python -I -S connector.py HOW SOCKET SENT RECEIVED`. It copies in both directions
and writes every byte to the files SENT and RECEIVED, as the witness at the client's pipes. It opens
a second connection to SOCKET, which ends with it. It uses only the standard library, so that 25 of
them start quickly.

HOW is `leave` for a client that leaves in order, and `vanish` for one that is killed. A client that
leaves gives its server a few seconds to end, and the server behind the proxy may need longer on a
busy machine. So the process that the client waits for ends at once, and the copying goes on in a
forked one. After a killed client, everything ends at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

CHUNK = 65536


class Copying:
    """Both directions between the client's pipes and the proxy."""

    def __init__(self, proxy: socket.socket, sent: BinaryIO, received: BinaryIO) -> None:
        self._proxy = proxy
        self._sent = sent
        self._received = received
        self._left = threading.Event()

    def send(self, waiting: int | None) -> None:
        """Copy what the client writes, until it leaves; then close the descriptor `waiting`."""
        while data := os.read(0, CHUNK):
            self._sent.write(data)
            self._proxy.sendall(data)
        if waiting is None:
            os._exit(0)
        self._left.set()
        self._proxy.shutdown(socket.SHUT_WR)
        os.close(waiting)

    def receive(self) -> None:
        """Copy from the proxy to the client, until the proxy ends or the client has vanished."""
        poll = select.poll()
        poll.register(self._proxy, select.POLLIN)
        poll.register(1, 0)  # only errors, to notice that the reader has gone
        while True:
            ready = dict(poll.poll())
            if 1 in ready:
                if not self._left.is_set():
                    return
                poll.unregister(1)
            if self._proxy.fileno() in ready:
                data = self._proxy.recv(CHUNK)
                if not data:
                    return
                self._received.write(data)
                with suppress(BrokenPipeError):  # the poll decides
                    os.write(1, data)


def main() -> None:
    """Connect, and copy until the proxy ends."""
    how, path, sent, received = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal; only the demo decides
    waiting = None
    if how == "leave":
        until, waiting = os.pipe()
        if os.fork():
            os.close(waiting)
            os.read(until, 1)
            return
        os.close(until)
    with (
        socket.socket(socket.AF_UNIX) as proxy,
        socket.socket(socket.AF_UNIX) as end,
        Path(sent).open("wb", buffering=0) as sent_log,
        Path(received).open("wb", buffering=0) as received_log,
        suppress(OSError),  # the proxy has gone
    ):
        proxy.connect(path)
        end.connect(path)
        copying = Copying(proxy, sent_log, received_log)
        threading.Thread(target=copying.send, args=(waiting,), daemon=True).start()
        copying.receive()


if __name__ == "__main__":
    main()
