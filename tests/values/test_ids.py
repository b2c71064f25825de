"""Session ids: 1-128 visible ASCII characters, refused and never repaired (Guarantees 1.3)."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter
from sessionkeeper import InvalidSessionId, Session, SessionError, SessionId, new_session_id
from sessionkeeper.values.ids import checked_id, is_session_id

ADAPTER: TypeAdapter[str] = TypeAdapter(SessionId)

GOOD = ["a", "!", "~", "x" * 128, "".join(chr(n) for n in range(0x21, 0x7F)), "{}*:", "../..", "0"]
BAD = [
    *("", "x" * 129, " ", "a b", " a", "a ", "a\n", "\na", "a\r", "a\t", "a\0", "\x7f", "\x80"),
    *("é", "\u0661", "\u200b", "\ufeffa", "\ud800", "a" * 1_000_000, "\x1b[0m"),
]


@pytest.mark.parametrize("id", GOOD)
def test_a_good_id_is_taken_as_it_is(id: str) -> None:
    """1-128 visible ASCII characters (0x21-0x7E)."""
    assert checked_id(id) == ADAPTER.validate_python(id) == id
    assert Session.new(transport_type="stdio", id=id).id == id
    assert is_session_id(id)


@pytest.mark.parametrize("id", BAD)
def test_a_bad_id_is_refused(id: str) -> None:
    """A bad id is refused, never repaired, by every way in; and not shown."""
    assert not is_session_id(id)
    with pytest.raises(InvalidSessionId) as refused:
        checked_id(id)
    assert str(refused.value) == "a session id is 1 to 128 visible ASCII characters (0x21-0x7E)"
    assert isinstance(refused.value, SessionError)
    for make in (
        ADAPTER.validate_python,
        lambda text: Session.new(transport_type="stdio", id=text),
    ):
        with pytest.raises(ValueError, match=r"pattern|surrogate|string"):
            make(id)


@pytest.mark.parametrize("id", [None, 5, b"a", True, ["a"], object()])
def test_an_id_must_be_a_string(id: object) -> None:
    """Wrong types are told as such; nothing is turned into a string."""
    assert not is_session_id(id)
    with pytest.raises(TypeError):
        checked_id(id)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="string"):
        ADAPTER.validate_python(id)


def test_a_fresh_id_is_random_and_url_safe() -> None:
    """`new_session_id()` gives 256 random bits, URL-safe."""
    ids = {new_session_id() for _ in range(1000)}
    assert len(ids) == 1000
    for each in ids:
        assert checked_id(each) == each
        assert len(each) == 43
        assert each.replace("-", "a").replace("_", "a").isalnum()
    assert len({Session.new(transport_type="stdio").id for _ in range(10)}) == 10


def test_a_subclass_is_read_as_a_plain_string() -> None:
    """What runs inside the owner is `str`'s own."""

    class Id(str):
        def __str__(self) -> str:
            return "another"

    assert checked_id(Id("a")) == "a"
    assert type(checked_id(Id("a"))) is str
