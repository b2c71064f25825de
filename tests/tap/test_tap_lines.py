"""The splitter finds the lines of a stream, in bounded memory."""

from __future__ import annotations

import random

import pytest
from sessionkeeper.tap.lines import LineSplitter


def split(data: bytes, cuts: list[int], max_line: int = 1 << 20) -> tuple[list[bytes], int]:
    """Feed the data in pieces; return its lines, the unterminated last one included."""
    splitter = LineSplitter(max_line)
    lines: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        lines += splitter.feed(data[start:end])
    last = splitter.finish()
    return lines + ([] if last is None else [last]), splitter.oversized


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_the_same_however_the_bytes_are_cut(seed: int) -> None:
    """The stored message is the exact bytes between newlines."""
    dice = random.Random(seed)
    data = bytes(dice.choices(b'{}":\n\r\xc3\xa9 x', k=500))
    cuts = sorted(dice.choices(range(len(data) + 1), k=dice.randrange(60)))

    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    if data.endswith(b"\n"):
        expected.pop()

    assert split(data, cuts) == (expected, 0)


def test_one_final_carriage_return_is_not_part_of_a_line() -> None:
    """One trailing "\\r" goes, a second one and one within the line stay."""
    assert split(b"a\r\nb\r\r\nc\rd\n\r\ne\r", [])[0] == [b"a", b"b\r", b"c\rd", b"", b"e"]


def test_a_line_of_just_the_limit_is_kept_and_one_more_byte_is_not() -> None:
    """`max_line` counts the message, not its "\\r"."""
    for cuts in ([], [3], [4], [5]):
        assert split(b"aaaa\r\nbbbbb\ncccc", cuts, max_line=4) == ([b"aaaa", b"cccc"], 1)
        assert split(b"bbbbb", cuts[:1], max_line=4) == ([], 1)
        assert split(b"bbbbbb", cuts[:1], max_line=4) == ([], 1)


def test_a_line_too_long_is_given_up_in_bounded_memory() -> None:
    """It is counted once, however long it is, and the next line is found again."""
    splitter = LineSplitter(100)
    assert splitter.feed(b"first\n" + b"x" * 50) == [b"first"]
    for _ in range(1000):
        assert splitter.feed(b"x" * 50) == []
        assert splitter.held <= 101
    assert splitter.feed(b"x\nnext\n") == [b"next"]
    assert splitter.oversized == 1
    assert splitter.finish() is None


def test_a_limit_below_one_is_refused() -> None:
    """Wrong use is a `ValueError` at the call."""
    with pytest.raises(ValueError, match="at least 1"):
        LineSplitter(0)
