"""`Session`: the caller's fields, the store's fields, and what is refused (Guarantees 1.2)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sessionkeeper import FrozenDict, Session, SessionState, TransportType, VersionState
from sessionkeeper.values.session import CALLER_FIELDS, STORE_FIELDS


def test_the_fields_are_the_contracts() -> None:
    """Caller's fields, and the store's, which a caller reads and never sets."""
    assert set(Session.model_fields) == CALLER_FIELDS | STORE_FIELDS
    assert {
        *("revision", "created_at", "last_activity", "ended_at"),
        *("frame_count", "last_seq", "odd_frames", "gap_frames", "incarnation"),
    } == STORE_FIELDS
    assert {
        *("id", "transport_type", "state", "failure", "principal", "client_info", "server_info"),
        *("version_state", "tags", "metadata", "upstream_session_id", "expires_at"),
    } == CALLER_FIELDS


def test_new_needs_a_transport_and_nothing_more() -> None:
    """`Session.new(transport_type=…, id=None, **fields)` (a fresh id when none is given)."""
    session = Session.new(transport_type="stdio")
    assert session.transport_type is TransportType.STDIO
    assert session.state is SessionState.INITIALIZING
    assert (session.revision, session.frame_count, session.last_seq) == (0, 0, 0)
    assert session.tags == frozenset()
    assert session.metadata == {}
    assert session.version_state == VersionState()
    assert session.created_at.tzinfo is not None
    for field in ("failure", "principal", "client_info", "server_info", "upstream_session_id"):
        assert getattr(session, field) is None
    with pytest.raises(TypeError):
        Session.new()  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize("field", [*sorted(STORE_FIELDS), "status", "colour", "Id"])
def test_new_takes_no_field_that_is_not_the_callers(field: str) -> None:
    """`TypeError` for a field that is the store's or that does not exist."""
    fields: dict[str, Any] = {"transport_type": "stdio", field: 1}
    with pytest.raises(TypeError, match=field):
        Session.new(**fields)
    if field not in STORE_FIELDS:
        with pytest.raises(ValueError, match="Extra inputs"):
            Session(id="a", transport_type="stdio", **{field: 1})  # type: ignore[arg-type]  # wrong


EARLIEST = datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))
LATEST = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))

WRONG: dict[str, list[Any]] = {
    "id": [5, "", "a b", b"a"],
    "transport_type": [None, "", "carrier-pigeon", 5, "STDIO"],
    "state": [None, "dead", 5, "Active"],
    "failure": ["", "x" * 1025, 5, b"x"],
    "principal": ["", "x" * 1025, 5],
    "upstream_session_id": ["", "x" * 1025, 5],
    "client_info": [5, "x", [], [("a", 1)], {1: 2}, {"a": object()}, {"a": float("nan")}],
    "server_info": [{"a": {1, 2}}, {"a": b"x"}, {"\ud800": 1}],
    "metadata": [None, 5, {"a": float("inf")}, {"a": "\ud800"}, {"a": 10**3000}, {"a": 1j}],
    "version_state": [None, 5, "2025-11-25", {"colour": 1}, {"negotiated": ""}],
    "expires_at": ["soon", "2026-01-01T00:00:00", datetime(2026, 1, 1), [], EARLIEST, LATEST],
    "tags": [None, "abc", b"abc", 5, [""], ["x" * 129], [5], [["a"]], {"a": 1}],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_a_value_error(field: str) -> None:
    """Validated once when made, by every way of making one."""
    good = Session.new(transport_type="stdio", id="a")
    for value in WRONG[field]:
        with pytest.raises(ValueError, match="validation error"):
            Session.new(**({"transport_type": "stdio"} | {field: value}))
        with pytest.raises(ValueError, match="validation error"):
            Session.model_construct(**({"id": "a", "transport_type": "stdio"} | {field: value}))
        with pytest.raises(ValueError, match="validation error"):
            good.model_copy(update={field: value})


def test_the_table_names_every_field_of_the_callers() -> None:
    """What is added to a session must be added above."""
    assert WRONG.keys() == CALLER_FIELDS


def test_the_longest_and_the_most_are_taken() -> None:
    """At each limit it is still well."""
    deep: Any = "leaf"
    for _ in range(99):
        deep = [deep]
    session = Session.new(
        transport_type="stdio",
        failure="x" * 1024,
        principal="é" * 1024,
        tags=["y" * 128],
        metadata={"deep": deep, "n": 2**8192 - 1, "": [None, True, -1.5, ""]},
    )
    assert session.metadata["n"] == 2**8192 - 1
    with pytest.raises(ValueError, match="nested deeper"):
        session.model_copy(update={"metadata": {"deep": [deep]}})
    with pytest.raises(ValueError, match="8192 bits"):
        session.model_copy(update={"metadata": {"n": -(2**8192)}})


def test_depth_cannot_be_reached_in_parts() -> None:
    """What is frozen already counts with all its levels: nothing grows without end."""
    tree = FrozenDict()
    for _ in range(99):
        tree = FrozenDict({"a": tree})
    with pytest.raises(ValueError, match="nested deeper than 100"):
        FrozenDict({"a": tree})
    session = Session.new(transport_type="stdio", metadata=tree)
    assert session.model_dump_json()
    assert repr(session.metadata).count("FrozenDict") == 100


def test_arguments_are_copied() -> None:
    """`metadata` is the user's own JSON, deeply immutable once in a `Session`."""
    fields: dict[str, Any] = {
        "metadata": {"a": [1, {"b": []}]},
        "client_info": {"c": {}},
        "server_info": {"d": [[]]},
        "tags": {"t"},
    }
    session = Session.new(transport_type="stdio", **fields)
    before = session.model_dump()
    fields["metadata"]["a"][1]["b"].append(1)
    fields["metadata"]["x"] = 1
    fields["client_info"]["c"]["x"] = 1
    fields["server_info"]["d"][0].append(1)
    fields["tags"].add("u")
    assert session.model_dump() == before


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), "yesterday", None])
def test_a_time_without_a_zone_is_no_time(moment: object) -> None:
    """Times are aware."""
    with pytest.raises(ValueError, match="created_at"):
        Session(id="a", transport_type="stdio", created_at=moment)  # type: ignore[arg-type]  # wrong


def test_a_repr_shows_how_an_id_begins_and_no_payload() -> None:
    """The id may be a bearer secret; a payload or a principal never appears in a `repr`."""
    secret = "s3cr3t-payload"
    session = Session.new(
        transport_type="stdio",
        id="0123456789",
        principal=secret,
        metadata={"a": secret},
        client_info={"a": secret},
        server_info={secret: 1},
        upstream_session_id=secret,
    )
    for shown in (repr(session), str(session), f"{session}"):
        assert "01234567…" in shown
        assert "012345678" not in shown
        assert secret not in shown
    assert "id='short'" in repr(Session.new(transport_type="stdio", id="short"))
