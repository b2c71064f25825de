"""`MessageEnvelope`: one JSON-RPC message, byte for byte, with its context (Guarantees 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Any

import pytest
from sessionkeeper import (
    Direction,
    Frame,
    FrozenDict,
    HttpDelivery,
    InvalidMessage,
    MessageContext,
    MessageEnvelope,
    MessageKind,
    SseDelivery,
    StdioDelivery,
)

NOTE = b'{"jsonrpc":"2.0","method":"x"}'


def envelope(message: Any = NOTE, **context: Any) -> MessageEnvelope:
    """A message to the server."""
    return MessageEnvelope.of("a", message, **({"direction": "client-to-server"} | context))


@pytest.mark.parametrize(
    "message",
    [
        NOTE,
        b' \t\r\n{"method" : "x" , "jsonrpc":"2.0"}\n',
        '{"jsonrpc":"2.0","method":"é\\u00e9","params":[1.50e+02,-0]}'.encode(),
        b'{"jsonrpc":"2.0","method":"x","params":{"n":' + b"9" * 1_000_000 + b"}}",
    ],
    ids=["compact", "spaced", "escaped", "a million digits"],
)
def test_bytes_and_text_are_kept_exactly(message: bytes) -> None:
    """The bytes of one JSON-RPC message exactly as they crossed the wire."""
    assert envelope(message).message == message
    assert envelope(message.decode()).message == message


def test_a_dict_is_written_as_compact_json() -> None:
    """Built from bytes, str or a dict; any mapping will do."""
    message = {"jsonrpc": "2.0", "method": "é", "params": {"a": [1, None, True, 1.5, (2,)]}}
    written = '{"jsonrpc":"2.0","method":"é","params":{"a":[1,null,true,1.5,[2]]}}'.encode()
    for form in (message, MappingProxyType(message), dict(message)):
        assert envelope(form).message == written
    assert envelope(FrozenDict({"jsonrpc": "2.0", "method": "x"})).message == NOTE


@pytest.mark.parametrize("wrong", [None, 5, [NOTE], bytearray(NOTE), memoryview(NOTE), object()])
def test_what_is_none_of_the_three_is_a_type_error(wrong: object) -> None:
    """`TypeError` when it is none of the three; the constructor takes bytes only."""
    with pytest.raises(TypeError, match="bytes, str or a dict"):
        envelope(wrong)
    for each in (wrong, NOTE.decode()):
        with pytest.raises(ValueError, match="message"):
            MessageEnvelope(message=each, context=envelope().context)  # type: ignore[arg-type]  # wrong


@pytest.mark.parametrize(
    "wrong",
    [
        {"params": object()},
        {"params": float("nan")},
        {"params": float("-inf")},
        {"params": "\ud800"},
        {"\ud800": 1},
        {"params": {1, 2}},
        {"params": b"x"},
        {"params": {(1,): 2}},
        {"params": 10**5000},
        {"params": {1: 2, "1": 3}},
    ],
    ids=range(10),
)
def test_a_dict_that_is_not_json_is_no_message(wrong: dict[Any, Any]) -> None:
    """`InvalidMessage` for what JSON has no word for."""
    with pytest.raises(InvalidMessage) as refused:
        envelope({"jsonrpc": "2.0", "method": "x"} | wrong)  # odd bytes are kept, these are none
    twice = "a name is used twice in one object"
    assert refused.value.reason in ("holds something that is not JSON", twice)


def test_a_loop_is_no_message() -> None:
    """Nor is what never ends, or what nests too deep to be written."""
    loop: dict[str, Any] = {"jsonrpc": "2.0", "method": "x"}
    loop["params"] = loop
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for wrong in (loop, {"jsonrpc": "2.0", "method": "x", "params": deep}):
        with pytest.raises(InvalidMessage):
            envelope(wrong)


KINDS = [
    ({"method": "m", "id": 1}, "request", "m", 1),
    ({"method": "m", "id": "1"}, "request", "m", "1"),
    ({"method": "", "id": ""}, "request", "", ""),
    ({"method": "m", "id": -(2**70)}, "request", "m", -(2**70)),
    ({"method": "m", "params": {"id": 5, "method": "other"}}, "notification", "m", None),
    ({"result": None, "id": 0}, "result", None, 0),
    ({"result": {"method": "m"}, "id": "é"}, "result", None, "é"),
    ({"error": {"code": 1}, "id": 1}, "error", None, 1),
    ({"error": {"code": 1}, "id": None}, "error", None, None),
    ({"error": {"code": 1}}, "error", None, None),
]


@pytest.mark.parametrize(("members", "kind", "method", "request_id"), KINDS)
def test_what_a_message_is_can_be_read(
    members: dict[str, Any], kind: str, method: str | None, request_id: object
) -> None:
    """`kind`, `method`, `request_id` (type kept: `1` is not `"1"`) are read from the bytes."""
    read = envelope({"jsonrpc": "2.0"} | members)
    assert (read.kind, read.method, read.request_id) == (MessageKind(kind), method, request_id)
    assert type(read.request_id) is type(request_id)


def test_the_context_is_what_was_given() -> None:
    """Session, direction, time, delivery, protocol version, metadata."""
    delivery = HttpDelivery(method="POST", path="/mcp", status=202)
    context = envelope(
        direction=Direction.SERVER_TO_CLIENT,
        delivery=delivery,
        protocol_version="2025-11-25",
        metadata={"a": "b"},
    ).context
    assert (context.session_id, context.direction) == ("a", Direction.SERVER_TO_CLIENT)
    assert (context.delivery, context.protocol_version) == (delivery, "2025-11-25")
    assert context.metadata == {"a": "b"}
    assert abs(datetime.now(UTC) - envelope().context.timestamp) < timedelta(minutes=5)


class Zone(tzinfo):
    """A zone of one's own."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, _: datetime | None) -> str:
        return "zone"


class Moment(datetime):
    """A time with something of its own."""


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=1)), Zone()])
@pytest.mark.parametrize("of", [datetime, Moment])
def test_a_time_is_kept_as_plain_utc(zone: tzinfo, of: type[datetime]) -> None:
    """`timestamp` (aware UTC), to the microsecond."""
    given = of(2026, 3, 29, 2, 30, 0, 5, tzinfo=zone)
    kept = envelope(timestamp=given).context.timestamp
    assert kept == given
    assert type(kept) is datetime
    assert kept.tzinfo is UTC


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": "up"},
        {"direction": None},
        {"timestamp": datetime(2026, 1, 1)},
        {"timestamp": "today"},
        {"delivery": {"via": "pigeon"}},
        {"delivery": {"via": "http", "status": 99}},
        {"delivery": {"via": "http", "status": 600}},
        {"delivery": {"via": "sse", "retry": -1}},
        {"delivery": {"via": "stdio", "colour": 1}},
        {"delivery": {"method": "POST"}},
        {"delivery": 5},
        {"protocol_version": ""},
        {"protocol_version": "x" * 65},
        {"metadata": {"a": 1}},
        {"metadata": {1: "a"}},
        {"metadata": "a"},
        {"colour": 1},
    ],
    ids=str,
)
def test_a_bad_context_is_a_value_error(wrong: dict[str, Any]) -> None:
    """`ValueError` for the rest."""
    with pytest.raises(ValueError, match="validation error"):
        envelope(**wrong)


def test_deliveries_are_told_apart_by_via() -> None:
    """stdio: command, pid; http: method, path, status; sse: event id and type, retry; or none."""
    for delivery in (
        StdioDelivery(command=("a",), pid=1),
        HttpDelivery(),
        SseDelivery(event_id="1", event_type="m", retry=0),
    ):
        read = MessageContext.model_validate(
            {"session_id": "a", "direction": "client-to-server", "delivery": delivery.model_dump()}
        )
        assert read.delivery == delivery
        assert type(read.delivery) is type(delivery)
    assert envelope().context.delivery is None


def test_a_repr_shows_no_payload() -> None:
    """Neither message nor id, command, path or metadata."""
    secret = "s3cr3t"
    shown = ""
    for delivery in (StdioDelivery(command=(secret,)), HttpDelivery(path=secret)):
        each = envelope(
            {"jsonrpc": "2.0", "method": secret}, delivery=delivery, metadata={secret: secret}
        )
        shown += repr(each) + str(each) + repr(Frame(seq=1, envelope=each)) + repr(each.context)
    assert secret not in shown
    assert "direction" in shown


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((StdioDelivery, "command"), (HttpDelivery, "method"), (HttpDelivery, "path")),
        *((SseDelivery, "event_id"), (SseDelivery, "event_type")),
    ],
)
def test_text_that_cannot_be_encoded_is_refused_at_once(kind: Any, field: str) -> None:
    """A bad value is refused, never repaired: a lone surrogate fits into no file."""
    with pytest.raises(ValueError, match="string") as refused:
        kind(**{field: ("secret\ud800",) if field == "command" else "secret\ud800"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("year", "hours"), [(1, 14), (9999, -14)])
def test_a_moment_that_is_none_in_utc_is_a_value_error(year: int, hours: int) -> None:
    """Of a year beyond 1 to 9999, which `datetime` has no word for."""
    moment = datetime(year, 1, 1) if year == 1 else datetime(year, 12, 31, 23)
    with pytest.raises(ValueError, match="years"):
        envelope(timestamp=moment.replace(tzinfo=timezone(timedelta(hours=hours))))


@pytest.mark.parametrize(
    "delivery", [{"via": "stdio", "pid": 2**64}, {"via": "sse", "retry": 2**64}]
)
def test_a_number_no_store_could_write_down_is_a_value_error(delivery: dict[str, object]) -> None:
    """At the call, not when it is appended."""
    with pytest.raises(ValueError, match="delivery"):
        envelope(delivery=delivery)
    kept = {name: 2**64 - 1 if name != "via" else value for name, value in delivery.items()}
    assert envelope(delivery=kept).context.delivery is not None
