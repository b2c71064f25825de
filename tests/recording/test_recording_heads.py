"""The quick way to read the head of a line finds what the general way finds."""

from __future__ import annotations

import random

from sessionkeeper.recording import heads

NAMES = [b"id", b"method", b"params", b"result", b"jsonrpc", b"\\u0069d"]
VALUES = [
    *(b"1", b"-0", b"1.0", b"1.5", b"1e400", b"01", b"9" * 30, b"9" * 5_000),
    *(b'"a"', b'""', b'"' + b"x" * 1_025 + b'"', b'"\\ud800"', b'"\xff"'),
    *(b"null", b"true", b"[]", b"{}", b"NaN"),
    *(b'"initialize"', b'"notifications/cancelled"', b'{"requestId":1}', b'{"requestId":true}'),
]


def random_line(choose: random.Random) -> bytes:
    """A message with any members, a batch of them, or nearly one."""

    def message() -> bytes:
        members = [
            (choose.choice(NAMES), choose.choice(VALUES)) for _ in range(choose.randint(0, 4))
        ]
        return b"{%s}" % b",".join(b'"%s":%s' % member for member in members)

    kind = choose.random()
    if kind < 0.2:
        return b"[%s]" % b",".join(message() for _ in range(choose.randint(0, 3)))
    if kind < 0.3:
        return message()[:-1] + choose.choice([b"", b"}}", b"} x", b"} "])
    return message()


def test_both_ways_find_the_same() -> None:
    """Of whatever a peer writes."""
    choose = random.Random(17)
    for _ in range(20_000):
        line = random_line(choose)
        assert heads.read_heads(line) == heads.read_any_heads(line), line
