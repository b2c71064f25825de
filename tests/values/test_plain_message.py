"""The quick judgement of messages agrees with the careful one, on many random texts."""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from sessionkeeper import FrozenDict, InvalidMessage, MessageContext, MessageEnvelope
from sessionkeeper.values import jsonrpc, plain_message
from sessionkeeper.values.jsonrpc import judge_message, validate_message
from sessionkeeper.values.message_context import make_context
from sessionkeeper.values.plain_message import is_plain_message

from tests.support.flawed import flawed_module

PROGRAMS = int(os.environ.get("SESSIONKEEPER_MESSAGES", "10000"))
SEED = int(os.environ.get("SESSIONKEEPER_MESSAGES_SEED", "20261130"))
ATOMS = (
    *("1", '"a"', "null", "true", "-1.5e3", '"é"', '" :"', '":a"', '"\\":"', '"a\\":b"', '"\\\\"'),
    *('"\\\\\\":"', '"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', "1e999", "NaN", "-0", "01"),
    *("12345678901234567890123", "[]", "{}", '"\\/"', '"\t"', '"{\\"a\\":1,\\"a\\":2}"'),
)
NAMES = ('"a"', '"b"', '"\\u0061"', '"a\\\\"', '"a\\":"', '":"', '"id"', '"\\\\\\"a"', '""')
TOPS = (
    *('"x":1', '"method":"n"', '"result":{}', '"error":{"code":1,"message":":"}', '"id":2'),
    *('"method":1', '"method":null', '"method":"m"', '"method":"m"', '"result":[]', '"result":0'),
)
IDS = (
    *("1", "1", '"x"', '"x"', "null", "1.5", "1.0", "1e2", "-0", "-0.0", "true", "[]", '"\\ud800"'),
    *(str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64), str(-(2**63)), str(-(2**63) - 1)),
    *("1" * 30, "1" * 5000, '"\\u0031"'),
)
VERSIONS = ('"2.0"',) * 20 + ('"1.0"', '"2\\u002e0"', '"2.0 "', "2.0", "null")


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
        members = [f'"jsonrpc":{rnd.choice(VERSIONS)}', rnd.choice(TOPS)]
        if rnd.random() < 0.7:
            members.append(f'"params":{objects(rnd, 0)}')
        elif rnd.random() < 0.1:
            levels = rnd.randrange(120, 136)
            members.append(f'"params":{"[" * levels}{"]" * levels}')
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


def verdict(judge: Callable[[bytes], None], message: bytes) -> str:
    try:
        judge(message)
    except InvalidMessage as invalid:
        return invalid.reason
    return "a message"


def differences() -> Iterator[bytes]:
    """Messages on which the careful judgement alone, and both one after the other, differ."""
    for message in messages(SEED):
        if verdict(judge_message, message) != verdict(validate_message, message):
            yield message


def test_the_quick_judgement_is_the_careful_one() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()
    assert list(differences()) == []
    for message in messages(SEED):
        seen[is_plain_message(message), verdict(judge_message, message) == "a message"] += 1
    # Each way was taken often, or the comparison would show nothing.
    assert seen[True, True] > PROGRAMS // 20
    assert seen[False, True] > PROGRAMS // 100
    assert seen[False, False] > PROGRAMS // 10
    assert not seen[True, False]


FLAWS = {
    "it takes every version": ('Literal["2.0"]', "str"),
    "it takes every id": ("id: _Int64 | str", "id: Any"),
    "it takes every method": ("method: str", "method: Any"),
    "it takes an answer without content": ("return False\n    else", "pass\n    else"),
    "it counts an id that is not there": ("2 if found.id is _UNSET else 3", "3"),
    "it counts no colons": ('message.count(b":")', "members"),
    "it counts what looks like the end of a name": (
        "len(outside_strings(message, _all_but_colons))",
        "message.count(b'\":')",
    ),
    "it counts no levels": ("depth + 1", "depth"),
    "it counts an array's items as members": ("count = 0", "count = len(value)"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_quick_judgement_with_a_flaw_is_noticed(
    monkeypatch: pytest.MonkeyPatch, flaw: str
) -> None:
    flawed = flawed_module(monkeypatch, plain_message, *FLAWS[flaw])
    monkeypatch.setattr(jsonrpc, "is_plain_message", vars(flawed)["is_plain_message"])
    assert next(differences(), None) is not None


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
    assert verdict(validate_message, nested(129)) == "nested deeper than 128"


def test_no_number_is_converted_where_python_sets_no_limit() -> None:
    """A process can switch Python's limit of digits off; then a number could take minutes."""
    message = b'{"jsonrpc":"2.0","method":"m","params":[%b]}' % (b"9" * 1_000_000)
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert not is_plain_message(message)
        assert verdict(validate_message, message) == "a message"
    finally:
        sys.set_int_max_str_digits(before)


def test_a_context_of_plain_parts_is_the_checked_one() -> None:
    from datetime import UTC, datetime, timedelta, timezone

    from sessionkeeper import SseDelivery, StdioDelivery

    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    more: list[dict[str, object]] = [
        {},
        {"timestamp": moment, "delivery": StdioDelivery(pid=7), "metadata": FrozenDict()},
        {"stream": "POST-1", "delivery": SseDelivery(event_id="é"), "protocol_version": None},
        {"metadata": FrozenDict({"a": "b"}), "delivery": None, "stream": None},
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
        {"metadata": FrozenDict({"a": 1})},
        {"metadata": FrozenDict({"a": "b", "c": None})},
        {"timestamp": None},
        {"unknown": None},
    ],
)
def test_a_context_with_a_wrong_part_is_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"session_id": "a", "direction": "client-to-server", **wrong}
    of: Callable[..., MessageEnvelope] = MessageEnvelope.of
    with pytest.raises(ValueError, match=next(iter(wrong))):
        of(message=json.dumps({"jsonrpc": "2.0", "method": "m"}), **fields)
