"""Writes down what passes through a server's pipes, and becomes the server.

Run as a script: `python -I -S witness.py IN OUT COMMAND…`. Two forked processes write every byte
to the server to the file IN, and every byte from it to the file OUT. The process itself becomes
COMMAND, so that its pid, signals and exit code are the server's.
"""

from __future__ import annotations

import os
import sys

CHUNK = 65536


def copy(source: int, target: int, log: str) -> None:
    """Copy until the end, in a forked process."""
    with open(log, "wb", buffering=0) as file:
        try:
            while data := os.read(source, CHUNK):
                file.write(data)
                while data:
                    data = data[os.write(target, data) :]
        except BrokenPipeError:
            pass  # the reader has gone
    os._exit(0)


def main() -> None:
    """Start both copiers, and become the server."""
    into, out_of, *command = sys.argv[1:]
    for_server, from_tap = os.pipe()
    to_tap, from_server = os.pipe()
    if os.fork() == 0:
        for fd in (for_server, to_tap, from_server, 1):
            os.close(fd)
        copy(0, from_tap, into)
    if os.fork() == 0:
        for fd in (for_server, from_tap, from_server, 0):
            os.close(fd)
        copy(to_tap, 1, out_of)
    os.dup2(for_server, 0)
    os.dup2(from_server, 1)
    for fd in (for_server, from_tap, to_tap, from_server):
        os.close(fd)
    os.execvp(command[0], command)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main()
