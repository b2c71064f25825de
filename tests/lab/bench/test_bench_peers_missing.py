"""A peer that is not there, or not possible: one clear line."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from sessionlab.bench import Subject, Work, parse_target
from sessionlab.bench.peers import (
    PeerNeedsPlace,
    PeerNotInstalled,
    PeerStorage,
    UnknownPeer,
    ValuePeer,
    find_peer,
    peer_names,
)

EXTRA = "pip install 'sessionkeeper[perf-peers]'"


@pytest.mark.parametrize(("name", "module"), [("aiocache", "aiocache"), ("pykka", "pykka")])
def test_a_peer_whose_package_is_taken_away_names_the_extra_in_one_line(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python says of a module that is not there, said usefully."""
    monkeypatch.setitem(sys.modules, module, None)
    assert not find_peer(name).installed
    with pytest.raises(PeerNotInstalled) as error:
        find_peer(name).make()
    assert str(error.value) == f"{module} is not installed: {EXTRA}"


def test_every_peer_that_is_not_installed_here_says_so_in_one_line(tmp_path: Path) -> None:
    """Whatever is missing here; in an environment with all of them there is nothing to say."""
    for name in peer_names():
        if (missing := find_peer(name).missing) is not None:
            with pytest.raises(PeerNotInstalled) as error:
                find_peer(name).make(path=tmp_path / name, redis_url="redis://127.0.0.1:1/0")
            told = str(error.value)
            assert told.startswith(missing), told
            assert told.endswith(EXTRA), told
            assert "\n" not in told


def test_a_name_that_no_peer_has_is_answered_with_those_there_are() -> None:
    """A typing error does not send one to the documentation."""
    with pytest.raises(UnknownPeer, match=r"no peer 'cashewz'; there are aiocache, .*pykka"):
        find_peer("cashewz")


def test_a_peer_without_its_redis_says_how_to_name_one() -> None:
    """Neither a connection nor an address is made up."""
    for name in ("cashews-redis", "openai-agents-redis"):
        if find_peer(name).installed:
            with pytest.raises(PeerNeedsPlace, match=f"{name} needs a Redis: {name}=redis://HOST"):
                find_peer(name).make()
            with pytest.raises(ValueError, match=f"{name} needs a Redis"):
                parse_target(name)
        else:
            with pytest.raises(ValueError, match=r"which .* needs, is not installed"):
                parse_target(name)


def test_a_url_with_a_password_is_not_shown() -> None:
    """A target shows the peer's name, whatever it was asked with."""
    if find_peer("cashews-redis").installed:
        target = parse_target("cashews-redis=redis://user:secret@localhost/0")
        assert target.name == "cashews-redis"
    assert parse_target("cashews").name == "cashews"
    names = [parse_target(f"redis://user:secret@localhost{base}").name for base in ("/0", "", "/1")]
    assert names == ["redis://localhost", "redis://localhost", "redis://localhost/1"]


async def test_a_peer_that_hides_that_its_server_is_away_says_so_and_is_not_opened() -> None:
    """A load on it would be acknowledged, and stored nowhere."""
    subject = find_peer("cashews-redis").make(redis_url="redis://127.0.0.1:1/0")
    assert isinstance(subject, ValuePeer)
    with pytest.raises(RedisError):
        await subject.open()
    await subject.store("a", {"state": "", "counter": 1})
    assert any("hides that its server is unreachable" in each for each in subject.limitations)


@pytest.mark.parametrize("name", peer_names())
def test_a_peer_has_a_method_for_each_operation_it_offers(name: str) -> None:
    """And it says what it does not do."""
    made = find_peer(name).subject_class()
    assert made.name == name
    assert made.limitations
    for work in made.offers:
        assert getattr(made, work) is not getattr(Subject, work)
    if find_peer(name).place is PeerStorage.MEMORY:
        assert Work.MODIFY in made.offers


def test_the_page_on_peers_says_what_each_does_not_do() -> None:
    """Word for word, so that neither changes without the other."""
    page = Path(__file__).parents[3].joinpath("docs", "peers.md").read_text("utf-8")
    for name in peer_names():
        limitations = "; ".join(find_peer(name).subject_class().limitations)
        assert f"| {name} | {limitations} |" in page


def test_the_extra_names_each_package_of_a_peer() -> None:
    """What a line tells one to install brings what was missing."""
    extra = [line for line in requires("sessionkeeper") or () if "perf-peers" in line]
    assert {re.split(r"[^a-z-]", line)[0] for line in extra} >= {
        "aiocache",
        "cashews",
        "fastmcp",
        "google-adk",
        "langgraph",
        "langgraph-checkpoint-sqlite",
        "mcp",
        "mcp-persist",
        "openai-agents",
        "py-key-value-aio",
        "pykka",
        "redis",
        "sqlalchemy",
    }
