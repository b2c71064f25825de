"""A witness at the pipes of a stdio server: `python -I -S witness.py IN OUT COMMAND…`.

It starts the command, copies in both directions, and writes every byte to the server to the file
IN and every byte from it to the file OUT. It ends as the command ends. It has its own code for
this, so that it shares no fault with what it judges.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

CHUNK = 65536


def copy(source: int, target: int, log: str) -> None:
    """Copy until the end of the source, or until nobody reads the target."""
    with open(log, "wb", buffering=0) as file, suppress(BrokenPipeError):
        while data := os.read(source, CHUNK):
            file.write(data)
            while data:
                data = data[os.write(target, data) :]
    os.close(target)


def main() -> int:
    """Start the command, copy until it has ended, and return what it returned."""
    into, out_of, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    inbound = os.dup(process.stdin.fileno())
    process.stdin.close()
    threading.Thread(target=copy, args=(0, inbound, into), daemon=True).start()
    outbound = threading.Thread(target=copy, args=(process.stdout.fileno(), 1, out_of))
    outbound.start()
    process.wait()
    outbound.join()
    return process.returncode


if __name__ == "__main__":
    code = main()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
