"""What one process tells the watchers of others, and what it may be told by anybody."""

from __future__ import annotations

import json
import random

import pytest
from sessionkeeper.backends.postgres.missed_notices import MissedNotices
from sessionkeeper.backends.postgres.notices import (
    Notice,
    channel_name,
    decode_notice,
    encode_notices,
)

_WRITER = 2**63 - 1


def _ids(count: int, length: int, letter: str = "a") -> list[str]:
    return [f"{n:03}".ljust(length, letter) for n in range(count)]


def test_a_notice_says_writer_batch_and_sessions() -> None:
    """The writer in a string: JSON's numbers have 53 bits in many languages."""
    assert encode_notices(_WRITER, 3, ["a", "b"]) == ['["9223372036854775807",3,"a","b"]']
    assert decode_notice('["9223372036854775807",3,"a","b"]') == Notice(_WRITER, 3, ("a", "b"))
    assert encode_notices(7, 1, None) == ['["7",1,null]']
    assert decode_notice('["7",1,null]') == Notice(7, 1, None)
    assert channel_name("s" * 63) == "sessionkeeper_4614ff0e"


def test_a_batch_without_changed_sessions_needs_no_notice() -> None:
    """Nobody would be woken."""
    assert encode_notices(7, 1, []) == []


@pytest.mark.parametrize(("length", "letter"), [(128, "a"), (128, '"'), (128, "\\"), (3, "a")])
@pytest.mark.parametrize("count", [1, 2, 56, 57, 58, 59, 499, 500])
def test_many_sessions_are_several_notices_which_the_server_takes(
    count: int, length: int, letter: str
) -> None:
    """Each under 8,000 bytes; together, every session once and in order."""
    ids = _ids(count, length, letter)
    payloads = encode_notices(_WRITER, _WRITER, ids)
    assert all(len(each.encode()) < 7_500 for each in payloads)
    notices = [decode_notice(each) for each in payloads]
    assert {(each.writer_id, each.batch) for each in notices} == {(_WRITER, _WRITER)}
    assert [one for each in notices for one in each.ids or ()] == ids
    assert all(json.loads(each)[0] == str(_WRITER) for each in payloads)


def test_very_many_sessions_are_one_notice_for_all() -> None:
    """So is an id that fits into none."""
    assert encode_notices(7, 1, _ids(501, 10)) == ['["7",1,null]']
    assert encode_notices(7, 1, ["a" * 8_000]) == ['["7",1,null]']
    two = encode_notices(7, 1, ["a" * 8_000, "b"])
    assert [decode_notice(each).ids for each in two] == [None, ("b",)]


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "x",
        "null",
        "{}",
        "[]",
        '["1"]',
        '["1",2]',
        '[1,2,"a"]',
        '["1","2","a"]',
        '["1",2,3]',
        '["1",2,"a",null]',
        '["1",2,null,null]',
        '["1",2,["a"]]',
        '["1",2.5,"a"]',
        '["1",true,"a"]',
        '["1",-1,"a"]',
        '["-1",1,"a"]',
        '["+1",1,"a"]',
        '["",1,"a"]',
        '["١",1,"a"]',
        '["1_0",1,"a"]',
        '["9223372036854775808",1,"a"]',
        '["1",9223372036854775808,"a"]',
        f'["{"9" * 7_900}",1,"a"]',
        f'["1",{"9" * 7_900},"a"]',
        '["1",1e999,"a"]',
        '["1",1,"\\ud800"]',
        '["1",1,"a"]x',
        "[" * 7_999,
        '{"a":' * 1_500,
        '"' + "a" * 7_997 + '"',
        "a" * 7_999,
    ],
)
def test_what_is_no_notice_is_refused(payload: str) -> None:
    """Whatever another application sends, the error is the one that is expected."""
    with pytest.raises(ValueError, match=r"."):
        decode_notice(payload)


def test_random_changes_of_a_notice_are_read_or_refused() -> None:
    """Never anything else; some of them are read."""
    rng = random.Random(7)
    good = encode_notices(_WRITER, 12, ["a", 'b"', "c"])[0]
    read = 0
    for _ in range(20_000):
        at, end = sorted(rng.choices(range(len(good) + 1), k=2))
        middle = rng.choice(['"', "[", "]", ",", "null", "1", "é", "\x00", "\\", ""])
        try:
            notice = decode_notice(good[:at] + middle + good[end:])
        except ValueError:
            continue
        read += 1
        assert 0 <= notice.writer_id <= _WRITER
        assert 0 <= notice.batch <= _WRITER
    assert read > 10


def _compare(missed: MissedNotices, *rows: tuple[int, int, int], notices: bool = True) -> bool:
    return missed.compare(rows, 99, notices=notices)


def test_a_notice_is_missed_if_its_number_is_read_twice() -> None:
    """The first reading of it may be earlier than the notice; it is found once."""
    missed = MissedNotices()
    assert _compare(missed, (1, 5, 5))  # the first: everything may have changed
    assert not _compare(missed, (1, 6, 6))
    assert _compare(missed, (1, 6, 6))
    assert not _compare(missed, (1, 6, 6))


def test_a_notice_that_arrived_is_not_missed() -> None:
    """Early or late; batches that were not announced do not count."""
    missed = MissedNotices()
    _compare(missed, (1, 5, 5))
    missed.arrived(Notice(1, 6, ()))
    assert not _compare(missed, (1, 6, 6))
    assert not _compare(missed, (1, 9, 6), (2, 1, 1))
    missed.arrived(Notice(2, 1, ()))
    assert not _compare(missed, (1, 12, 6), (2, 1, 1))
    assert not _compare(missed, (1, 13, 6), (2, 1, 1))


def test_a_notice_of_a_new_writer_is_missed_as_well() -> None:
    """Its row came after the first comparison."""
    missed = MissedNotices()
    _compare(missed)
    assert not _compare(missed, (1, 1, 1))
    assert _compare(missed, (1, 1, 1))


def test_own_batches_are_never_missed_until_the_store_writes_under_another_id() -> None:
    """It gave up waiting for one, which may still be committed."""
    missed = MissedNotices()
    missed.compare([(99, 1, 1)], 99, notices=True)
    assert not missed.compare([(99, 2, 2)], 99, notices=True)
    assert not missed.compare([(99, 3, 3)], 99, notices=True)
    assert missed.compare([(99, 3, 3)], 100, notices=True)
    assert not missed.compare([(99, 3, 3), (100, 1, 1)], 100, notices=True)
    assert missed.compare([(99, 4, 3), (100, 9, 1)], 100, notices=True)
    assert not missed.compare([(99, 4, 3), (100, 10, 1)], 100, notices=True)


def test_without_notices_every_batch_of_others_counts() -> None:
    """At once, also that of a new writer."""
    missed = MissedNotices()
    assert _compare(missed, (1, 5, 0), notices=False)
    assert not _compare(missed, (1, 5, 0), (99, 1, 0), notices=False)
    assert _compare(missed, (1, 6, 0), (99, 2, 0), notices=False)
    assert _compare(missed, (1, 6, 0), (2, 1, 0), notices=False)


def test_forged_numbers_hide_a_missed_notice_until_the_next_true_one_at_most() -> None:
    """And writers that do not exist are forgotten."""
    missed = MissedNotices()
    _compare(missed, (1, 5, 5))
    missed.arrived(Notice(1, _WRITER, ()))
    for n in range(20_000):
        missed.arrived(Notice(1_000 + n, 1, ()))
    missed.arrived(Notice(1, 6, ()))
    assert not _compare(missed, (1, 6, 6))
    assert not _compare(missed, (1, 7, 7))
    assert _compare(missed, (1, 7, 7))
    assert len(missed._arrived) == 1
