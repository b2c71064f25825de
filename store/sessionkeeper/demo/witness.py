"""Starts a server through the fork server, and writes down what passes through its pipes.

Run as a script: `python -I -S witness.py FORK_SERVER IN OUT -m MODULE ARGUMENTS…`. It writes every
byte to the server to the file IN, and every byte from it to the file OUT. It ends when the server
has ended and its last byte is written, with the same return code. It passes SIGTERM on. It uses
only the standard library, and little of that, so that 25 of them start quickly.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

CHUNK = 65536
NO_ANSWER = 70
"""The exit status if the fork server has ended: EX_SOFTWARE."""


def request(connection: socket.socket, command: list[str], streams: list[int]) -> None:
    """Ask the fork server for a process, on a new connection."""
    data = "\0".join(command).encode(errors="surrogateescape")
    socket.send_fds(connection, [len(data).to_bytes(4, "big") + data], streams)


def copy(source: int, target: int, log: str) -> None:
    """Copy until the end of the source, or until nobody reads the target."""
    with open(log, "wb", buffering=0) as file:
        try:
            while data := os.read(source, CHUNK):
                file.write(data)
                while data:
                    data = data[os.write(target, data) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(source)
            os.close(target)


def main() -> int:
    """Start the server, copy in both directions, and return what it returned."""
    path, into, out_of, *command = sys.argv[1:]
    # Ctrl-C in a terminal reaches every process of the demo; only the demo decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for_server, from_tap = os.pipe()
    to_tap, from_server = os.pipe()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        request(server, command, [for_server, from_server, 2])
        signal.signal(signal.SIGTERM, lambda number, _: server.sendall(bytes([number])))
        os.close(for_server)
        os.close(from_server)
        threading.Thread(target=copy, args=(0, from_tap, into), daemon=True).start()
        outbound = threading.Thread(target=copy, args=(to_tap, 1, out_of))
        outbound.start()
        answer = server.recv(CHUNK)
        outbound.join()
    return int(answer) if answer else NO_ANSWER


if __name__ == "__main__":
    code = main()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
