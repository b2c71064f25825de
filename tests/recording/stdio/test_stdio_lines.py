"""The splitter finds the lines of a stream, in bounded memory."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from sessionkeeper.recording.stdio.lines import TOO_LARGE, LineSplitter
from sessionkeeper.values.gap import Gap


def split(data: bytes, cuts: list[int], max_line: int = 1 << 20) -> list[bytes | Gap]:
    """Feed the data in pieces; return its lines, the unterminated last one included."""
    splitter = LineSplitter(max_line)
    lines: list[bytes | Gap] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        lines += splitter.feed(data[start:end])
    last = splitter.finish()
    return lines + ([] if last is None else [last])


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_the_same_however_the_bytes_are_cut(seed: int) -> None:
    """The stored message is the exact bytes between newlines."""
    dice = random.Random(seed)
    data = bytes(dice.choices(b'{}":\n\r\xc3\xa9 x', k=500))
    cuts = sorted(dice.choices(range(len(data) + 1), k=dice.randrange(60)))

    expected: list[bytes] = data.split(b"\n")
    if data.endswith(b"\n"):
        expected.pop()

    assert split(data, cuts) == expected


def test_a_carriage_return_is_part_of_its_line() -> None:
    """Then the stream can be rebuilt from its lines."""
    assert split(b"a\r\nb\r\r\nc\rd\n\r\ne\r", []) == [b"a\r", b"b\r\r", b"c\rd", b"\r", b"e\r"]


def test_a_line_of_just_the_limit_is_kept_and_one_more_byte_is_a_gap() -> None:
    """`max_line` counts all bytes of a line but its newline, wherever the stream was cut."""
    long = Gap.of(b"bbbbb", TOO_LARGE)
    for cuts in ([], [3], [4], [5]):
        assert split(b"aaaa\nbbbbb\ncccc", cuts, max_line=4) == [b"aaaa", long, b"cccc"]
        assert split(b"bbbbb", cuts[:1], max_line=4) == [long]
        assert split(b"\n", [], max_line=4) == [b""]


@pytest.mark.parametrize("pieces", [1, 7, 1000, 65_536, 3_000_000])
def test_a_gap_is_the_same_however_the_bytes_are_cut(pieces: int) -> None:
    """Size, SHA-256, and the first and last kilobyte of a line that is never held whole."""
    data = random.Random(1).randbytes(3_000_000).replace(b"\n", b" ")
    data = data if pieces > 100 else data[:5000]
    cuts = list(range(pieces, len(data), pieces))
    assert split(data, cuts, max_line=2_500_000 if pieces > 100 else 100) == [
        Gap(
            TOO_LARGE,
            len(data),
            digest=sha256(data).hexdigest(),
            first=data[:1024],
            last=data[-1024:],
        )
    ]


def test_a_line_too_long_is_dropped_in_bounded_memory() -> None:
    """It is one gap, however long it is, and the next line is found again."""
    splitter = LineSplitter(100)
    assert splitter.feed(b"first\n" + b"x" * 50) == [b"first"]
    for _ in range(1000):
        assert splitter.feed(b"x" * 50) == []
        assert splitter.held <= 100
    gap = Gap.of(b"x" * 50_051, TOO_LARGE)
    assert splitter.feed(b"x\nnext\n") == [gap, b"next"]
    assert splitter.finish() is None


def test_a_limit_below_one_is_refused() -> None:
    """Wrong use is a `ValueError` at the call."""
    with pytest.raises(ValueError, match="at least 1"):
        LineSplitter(0)
