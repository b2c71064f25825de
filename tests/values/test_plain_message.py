"""The quick judgement of messages agrees with the careful one, on many random texts."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from sessionkeeper import InvalidMessage, MessageContext, MessageEnvelope
from sessionkeeper.values import jsonrpc
from sessionkeeper.values.jsonrpc import validate_message
from sessionkeeper.values.message_context import make_context
from sessionkeeper.values.plain_message import is_plain_message

PROGRAMS = 10_000
ATOMS = (
    *("1", '"a"', "null", "true", "-1.5e3", '"é"', '" :"', '":a"', '"\\":"', '"a\\":b"', '"\\\\"'),
    *('"\\\\\\":"', '"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', "1e999", "NaN", "-0", "01"),
    *("12345678901234567890123", "[]", "{}", '"\\/"', '"\t"', '"{\\"a\\":1,\\"a\\":2}"'),
)
NAMES = ('"a"', '"b"', '"\\u0061"', '"a\\\\"', '"a\\":"', '":"', '"id"', '"\\\\\\"a"', '""')
TOPS = ('"x":1', '"method":"n"', '"result":{}', '"error":{"code":1,"message":":"}', '"id":2')
IDS = ("1", '"x"', "null", "1.5", "true", str(2**64), str(-(2**63)), str(2**64 - 1), "[]")


def values(rnd: random.Random, depth: int) -> str:
    kind = rnd.random()
    if depth > 3 or kind < 0.5:
        return rnd.choice(ATOMS)
    if kind < 0.7:
        return f"[{','.join(values(rnd, depth + 1) for _ in range(rnd.randrange(3)))}]"
    return objects(rnd, depth + 1)


def objects(rnd: random.Random, depth: int) -> str:
    colon = rnd.choice((":", ":", ":", " :", ": ", "\t:", "\n:\r"))
    names = rnd.choices(NAMES, k=rnd.randrange(4))
    return f"{{{','.join(name + colon + values(rnd, depth) for name in names)}}}"


def messages(seed: int) -> Iterator[bytes]:
    rnd = random.Random(seed)
    for _ in range(PROGRAMS):
        members = ['"jsonrpc":"2.0"', rnd.choice(TOPS)]
        if rnd.random() < 0.7:
            members.append(f'"params":{objects(rnd, 0)}')
        if rnd.random() < 0.6:
            members.append(f'"id":{rnd.choice(IDS)}')
        if rnd.random() < 0.1:
            members.append(rnd.choice(TOPS))
        rnd.shuffle(members)
        message = f"{rnd.choice(('', '', ' '))}{{{','.join(members)}}}".encode()
        if rnd.random() < 0.05:
            place = rnd.randrange(len(message))
            message = (
                message[:place] + rnd.choice((b"\xff", b"", b'"', b"\\")) + message[place + 1 :]
            )
        yield message


def judge(message: bytes) -> str:
    try:
        validate_message(message)
    except InvalidMessage as invalid:
        return invalid.reason
    return "a message"


def test_the_quick_judgement_is_the_careful_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[tuple[bool, bool]] = Counter()
    quick = {message: judge(message) for message in messages(20_261_130)}
    monkeypatch.setattr(jsonrpc, "is_plain_message", lambda _: False)
    for message, verdict in quick.items():
        assert judge(message) == verdict, message
        seen[is_plain_message(message), verdict == "a message"] += 1
    # Each way was taken often, or the comparison would show nothing.
    assert seen[True, True] > PROGRAMS // 20
    assert seen[False, True] > PROGRAMS // 100
    assert seen[False, False] > PROGRAMS // 10
    assert not seen[True, False]


@pytest.mark.parametrize("name", ["a", "\\u0061", 'a\\"', "a:", 'a\\":'])
def test_a_name_used_twice_is_never_plain(name: str) -> None:
    twice = b'{"jsonrpc":"2.0","method":"m","params":{"%b":1,"%b":2}}'
    written = name.encode()
    assert is_plain_message(twice % (written, b"other"))
    assert not is_plain_message(twice % (written, written))


def test_nesting_is_counted_from_the_message_itself() -> None:
    def nested(levels: int) -> bytes:
        lists = levels - 1  # the message is the first level
        return b'{"jsonrpc":"2.0","method":"m","params":%b%b}' % (b"[" * lists, b"]" * lists)

    assert is_plain_message(nested(128))
    assert not is_plain_message(nested(129))
    assert judge(nested(129)) == "nested deeper than 128"


def test_no_number_is_converted_where_python_sets_no_limit() -> None:
    """A process can switch Python's limit of digits off; then a number could take minutes."""
    message = b'{"jsonrpc":"2.0","method":"m","params":[%b]}' % (b"9" * 1_000_000)
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert not is_plain_message(message)
        assert judge(message) == "a message"
    finally:
        sys.set_int_max_str_digits(before)


def test_a_context_of_plain_parts_is_the_checked_one() -> None:
    from datetime import UTC, datetime, timedelta, timezone

    from sessionkeeper import FrozenDict, SseDelivery, StdioDelivery

    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    more: list[dict[str, object]] = [
        {},
        {"timestamp": moment, "delivery": StdioDelivery(pid=7), "metadata": FrozenDict()},
        {"stream": "POST-1", "delivery": SseDelivery(event_id="é"), "protocol_version": None},
        {"metadata": {"a": "b"}, "stream": "é" * 127, "protocol_version": "2025-06-18"},
        {"timestamp": moment.astimezone(timezone(timedelta(hours=2)))},
    ]
    for fields in more:
        fields.setdefault("timestamp", moment)
        for direction in ("client-to-server", "server-to-client"):
            made = make_context("a", direction, fields)
            checked = MessageContext.model_validate(
                {"session_id": "a", "direction": direction, **fields}
            )
            assert made == checked
            assert made.model_dump_json() == checked.model_dump_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": ""},
        {"session_id": "a b"},
        {"direction": "sideways"},
        {"direction": 1},
        {"stream": ""},
        {"stream": "é" * 128},
        {"timestamp": "today?"},
        {"delivery": {"via": "pigeon"}},
        {"metadata": {"a": 1}},
        {"unknown": None},
    ],
)
def test_a_context_with_a_wrong_part_is_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"session_id": "a", "direction": "client-to-server", **wrong}
    of: Callable[..., MessageEnvelope] = MessageEnvelope.of
    with pytest.raises(ValueError, match=next(iter(wrong))):
        of(message=json.dumps({"jsonrpc": "2.0", "method": "m"}), **fields)
