"""Session ids: 1-128 visible ASCII characters, refused and never repaired (Guarantees 1.3)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sessionkeeper import (
    InvalidSessionId,
    Session,
    SessionError,
    SessionId,
    new_session_id,
    session_id_for,
)
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


SPELLED = {
    ("support", "chat-7"): "support:chat-7",
    ("a:b",): "a%3Ab",
    ("a", "b"): "a:b",
    ("",): "%",
    ("", ""): "%:%",
    ("%",): "%25",
    ("å b\0",): "%C3%A5%20b%00",
    ("\ud800",): "%ED%A0%80",
    ("\U00010000",): "%F0%90%80%80",
    ("\ud800\udc00",): "%ED%A0%80%ED%B0%80",  # two lone surrogates are not the character above
    ("sha256=" + "0" * 64,): "sha256%3D" + "0" * 64,
    ("x" * 128,): "x" * 128,
}


@pytest.mark.parametrize(("parts", "id"), SPELLED.items())
def test_short_texts_are_spelled_out(parts: tuple[str, ...], id: str) -> None:
    """The spelling is part of the interface: ids are stored."""
    assert session_id_for(*parts) == checked_id(id) == id


def test_long_texts_are_hashed() -> None:
    """And no hash is the spelling of other texts."""
    made = session_id_for("x" * 129)
    assert made == "sha256=" + hashlib.sha256(b"x" * 129).hexdigest()
    assert session_id_for(made) != made
    assert checked_id(session_id_for("é" * 1_000_000, "\0"))
    assert session_id_for("x" * 64, "x" * 64) != session_id_for("x" * 129)


ANY_PARTS = st.lists(st.text(st.characters(), max_size=40), min_size=1, max_size=4).map(tuple)
CLOSE_PARTS = st.lists(st.text("a%:=\0\ud800", max_size=3), min_size=1, max_size=3).map(tuple)


@given(ANY_PARTS | CLOSE_PARTS, ANY_PARTS | CLOSE_PARTS)
def test_different_texts_have_different_valid_ids(
    parts: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """Whatever the texts are: separators, escapes, NUL, surrogates, nothing."""
    assert is_session_id(session_id_for(*parts))
    assert (session_id_for(*parts) == session_id_for(*others)) is (parts == others)


def test_what_is_no_text_makes_no_id() -> None:
    """No parts at all, and what is not a string; a subclass is read as a plain string."""

    class Shout(str):
        def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
            return b"another"

    assert session_id_for(Shout("a")) == "a"
    with pytest.raises(ValueError, match="at least one text"):
        session_id_for()
    for wrong in (None, 5, b"a", ["a"]):
        with pytest.raises(TypeError, match="is a str, not"):
            session_id_for("a", wrong)  # type: ignore[arg-type]  # wrong on purpose
