"""What a demo client starts as its "server": its pipes, joined to the tap's socket.

Run as a script: `python -I -S connector.py SOCKET SENT RECEIVED`. It copies both ways and keeps a
copy of its own of every byte each way, in the files SENT and RECEIVED: the witness at the client's
pipes. Standard library only, so that 25 of them start in no time.
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
    """Copy what the tap answers to the client, until the tap ends or nobody reads."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(1, 0)  # no event asked: only the error of a reader that is gone
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
    """Connect, and copy until the tap is done."""
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
            return  # the client or the tap is gone, which is what there was to wait for


if __name__ == "__main__":
    main()
