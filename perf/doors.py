"""Time against size of everything that strangers' input comes through: `python perf/doors.py`.

Each door gets the worst input known for it, in three sizes; linear is four times the time for four
times the size. What has a bound of its own costs the same at every size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sessionkeeper import MessageContext, MessageEnvelope, Session, SessionError
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.interface.arguments import checked_cursor
from sessionkeeper.recording.heads import read_heads
from sessionkeeper.recording.stdio.lines import LineSplitter
from sessionkeeper.stores.config import backend_from_url
from sessionkeeper.transfer import header_line, read_export
from sessionkeeper.values.ids import checked_id
from sessionlab.linearizability.history.jepsen import read_jepsen
from sessionlab.linearizability.history.kv_maps import read_kv_maps
from sessionlab.linearizability.history.lines import read_history_lines

SIZES = (1_000_000, 4_000_000, 16_000_000)
SESSION = {"id": "a", "transport_type": "stdio"}


def message(data: bytes) -> object:
    """Make an envelope."""
    return MessageEnvelope.of("a", data, direction="server-to-client")


def notification(params: bytes) -> object:
    """Make an envelope around parameters."""
    return message(b'{"jsonrpc":"2.0","method":"m","params":' + params + b"}")


def imported(line: str) -> object:
    """Read a line of an export after its header."""
    return list(read_export([header_line(), line]))


def session_line(**fields: object) -> object:
    """Read the line of a session in an export."""
    return imported(json.dumps({"session": {**SESSION, **fields}, "frames": 0, "trimmed": 0}))


def history(argument: str) -> object:
    """Read a history of one operation."""
    head = '{"format":"sessionkeeper-history","version":1,"model":"register","store":"m"}'
    call = f'{{"client":1,"name":"read","call":1,"return":2,"argument":{argument}}}'
    return read_history_lines([head, call], "log")


def jepsen(rest: str) -> object:
    """Read one line of a Jepsen log."""
    return read_jepsen([f"INFO jepsen.util - {rest}"], "log")


def key_value(rest: str) -> object:
    """Read one line of a key-value run."""
    return read_kv_maps(["{:process 0, :type :invoke, :f :append, :key " + rest], "log")


def context(**fields: Any) -> object:
    """Make the context of a message."""
    return MessageContext(**{"session_id": "a", "direction": "client-to-server"} | fields)


DEEP = b"[" * 126 + b"]" * 126 + b","

DOORS: dict[str, Callable[[int], object]] = {
    "message: a string": lambda n: notification(b'"' + b"x" * (n - 50) + b'"'),
    "message: many strings": lambda n: notification(b'["' + b'","' * (n // 3 - 20) + b'"]'),
    "message: a string that never ends": lambda n: message(
        b"[" * 129 + b'"' + b'\\"' * (n // 2 - 70)
    ),
    "message: deep brackets": lambda n: notification(b"[" + DEEP * (n // 253 - 1) + b"1]"),
    "message: flat brackets": lambda n: notification(b"[" + b"[]," * (n // 3 - 20) + b"1]"),
    "message: objects": lambda n: notification(b"[" + b"{}," * (n // 3 - 20) + b"1]"),
    "message: brackets that never close": lambda n: message(b"[" * n),
    "message: a number": lambda n: notification(b"1" * (n - 50)),
    "message: a number as id": lambda n: notification(b'1,"id":' + b"1" * (n - 60)),
    "message: names": lambda n: notification(
        b"{" + b",".join(b'"%d":1' % each for each in range(n // 12)) + b"}"
    ),
    "tap: a line that is a batch": lambda n: read_heads(
        b"[" + b",".join([b'{"id":1}'] * (n // 9)) + b"]"
    ),
    "tap: empty lines": lambda n: LineSplitter(n).feed(b"\n" * n),
    "tap: a byte at a time": lambda n: [
        splitter.feed(b"x") for splitter in [LineSplitter(n)] for _ in range(n // 16)
    ],
    "import: deep brackets": lambda n: imported("[" * n),
    "import: a number": lambda n: imported('{"a":' + "1" * n + "}"),
    "import: a string that never ends": lambda n: imported('{"a":"' + '\\"' * (n // 2)),
    "import: a session's id": lambda n: session_line(id="a" * n),
    "import: tags of the wrong kind": lambda n: session_line(tags=[1] * (n // 3)),
    "import: metadata": lambda n: session_line(metadata={"a": [[]] * (n // 40)}),
    "history: a number": lambda n: history("1" * n),
    "history: deep brackets": lambda n: history("[" * n),
    "history of Jepsen: spaces": lambda n: jepsen("0 :invoke :cas [" + " " * n + "1 2"),
    "history of Jepsen: a number": lambda n: jepsen("1" * n + " :invoke :read nil"),
    "history of keys: a text that never ends": lambda n: key_value('"' + '\\"' * (n // 2)),
    "history of keys: escapes": lambda n: key_value('"' + '\\"' * (n // 2) + '", :value "x"}'),
    "URL: a path": lambda n: backend_from_url("sqlite:///" + "%61" * (n // 3)),
    "URL: options": lambda n: backend_from_url("redis://h/?" + "a=1&" * (n // 4)),
    "URL: a port": lambda n: backend_from_url("redis://h:" + "1" * n),
    "URL: the number of a database": lambda n: RedisAddress.of("redis://h/" + "1" * n),
    "URL: a password": lambda n: RedisAddress.of("redis://:" + "%41" * (n // 3) + "@h"),
    "cursor": lambda n: checked_cursor("1" * n),
    "session id": lambda n: checked_id("a" * n),
    "principal": lambda n: Session.new(transport_type="stdio", principal="a" * n),
    "protocol version": lambda n: context(protocol_version="1" * n),
    "timestamp": lambda n: context(timestamp="1" * n),
    "SSE event id": lambda n: context(delivery={"via": "sse", "event_id": "a" * n}),
    "number in a dict": lambda n: MessageEnvelope.of(
        "a", {"jsonrpc": "2.0", "method": "m", "params": 1 << n}, direction="client-to-server"
    ),
}


def seconds(door: Callable[[int], object], size: int) -> float:
    """Processor time of a try, the making of the input included."""
    begun = time.process_time()
    with suppress(ValueError, TypeError, SessionError):
        door(size)
    return time.process_time() - begun


def main() -> None:
    """Print a table; with arguments, of the doors whose names begin so."""
    print(f"{'milliseconds for':42}", *(f"{size // 1_000_000:>5} MB" for size in SIZES))
    for name, door in DOORS.items():
        if len(sys.argv) == 1 or name.startswith(tuple(sys.argv[1:])):
            print(f"{name:42}", *(f"{seconds(door, size) * 1000:8.1f}" for size in SIZES))


if __name__ == "__main__":
    main()
