"""What a demo client starts as its "server": it connects the client's pipes to the tap's socket.

Run as a script: `python -I -S connector.py SOCKET SENT RECEIVED`. It copies in both
directions and writes every byte to the files SENT and RECEIVED, as the witness at the client's
pipes. It uses only the standard library, so that 25 of them start quickly.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import BinaryIO

CHUNK = 65536


def send(connection: socket.socket, log: BinaryIO) -> None:
    """Copy what the client writes to the tap."""
    while data := os.read(0, CHUNK):
        log.write(data)
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def receive(connection: socket.socket, log: BinaryIO) -> None:
    """Copy from the tap to the client, until the tap ends or the client has gone."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(1, 0)  # only errors, to notice that the reader has gone
    while True:
        ready = dict(poll.poll())
        if 1 in ready:
            return
        data = connection.recv(CHUNK)
        if not data:
            return
        log.write(data)
        os.write(1, data)


def main() -> None:
    """Connect, and copy until the tap ends."""
    # A client gives its server two seconds before SIGTERM; this one is as quick as the real
    # server behind it, which 25 others keep waiting. SIGKILL follows two seconds later.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    path, sent, received = sys.argv[1:]
    with (
        socket.socket(socket.AF_UNIX) as connection,
        Path(sent).open("wb", buffering=0) as sent_log,
        Path(received).open("wb", buffering=0) as received_log,
    ):
        connection.connect(path)
        threading.Thread(target=send, args=(connection, sent_log), daemon=True).start()
        try:
            receive(connection, received_log)
        except OSError:
            return  # the client or the tap has gone


if __name__ == "__main__":
    main()
