"""`--loop` chooses the event loop, `--long` adds the long tests; the suite has a worker a core."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any, Protocol, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from sessionkeeper import SessionStore

from tests.support.thread_group import ThreadGroup

pytest_plugins = ["sessionlab.explore.pytest_plugin", "tests.support.postgres_fixtures"]

# How long an example takes says how busy the machine is. Nothing is left in the working folder.
settings.register_profile(
    "suite",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")

LINUX = sys.platform == "linux"
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.addoption("--long", action="store_true", help="run the tests marked `long` as well")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite side by side, one worker a core; what is named, in this process."""
    if hasattr(config, "workerinput"):
        return  # this is a worker
    if config.getoption("numprocesses", 0) is None and not config.option.usepdb:
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        # pytest-cov has begun by now, and would not measure workers that it was not told of.
        alone = named or config.pluginmanager.hasplugin("_cov")
        cores = len(os.sched_getaffinity(0)) if LINUX else os.cpu_count()
        config.option.numprocesses = 0 if alone else cores
    if config.getoption("dist", "") == "no":
        config.option.dist = "loadfile"  # a file needs its servers on one worker only
        config.option.loadscopereorder = False  # what takes long would come last: it has few tests


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-timeout watch from a thread on uvloop: an idle uvloop never sees its signal."""
    # What was started in the background or by `nohup` ignores these, and so would all it starts;
    # there are tests of what they do.
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGQUIT, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    config.addinivalue_line(
        "markers", "long: takes long and shows a promise that a shorter test shows; needs --long"
    )
    config.addinivalue_line(
        "markers", "any_loop: shows the same on any loop; set on every test that needs no loop"
    )
    # They were for this run; tests that run pytest themselves say what they want. Workers are
    # still to be started with them: pytest-cov would measure nothing in those.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        os.environ.pop("PYTEST_ADDOPTS", None)
    # pytest-xdist sets the width of its own terminal for each worker. Tests say what they want.
    os.environ.pop("COLUMNS", None)
    if config.getoption("--loop") == "uvloop" and not config.getoption("timeout_method"):
        config.option.timeout_method = "thread"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what shows the same on any loop: what is no coroutine and asks for no loop to be made.

    Before `-m` chooses: `--loop=uvloop -m "not any_loop"` leaves out what stock asyncio has shown.
    """
    for item in items:
        if not _depends_on_the_loop(item):
            item.add_marker(pytest.mark.any_loop)
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def _depends_on_the_loop(item: pytest.Item) -> bool:
    if item.get_closest_marker("any_loop") or not isinstance(item, pytest.Function):
        return False
    return iscoroutinefunction(item.obj) or "loop_factory" in item.fixturenames


def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, LoopFactory]:
    """Tell pytest-asyncio (1.4 or newer) how to make the loop of each test."""
    return {config.getoption("--loop"): _loop_factory(config)}


@pytest.fixture
def loop_factory(pytestconfig: pytest.Config) -> LoopFactory:
    """The same for tests that run loops of their own: `asyncio.Runner(loop_factory=…)`."""
    return _loop_factory(pytestconfig)


class TenMethodStore(SessionStore):
    """Ten methods and nothing more, each a round trip to another store."""

    Visit: TypeAlias = Callable[[str, tuple[Any, ...]], Awaitable[None]]

    def __init__(self, behind: SessionStore) -> None:
        self.behind = behind
        self.before: TenMethodStore.Visit | None = None
        """Awaited before a call is passed on; tests put other processes and errors here."""
        self.after: TenMethodStore.Visit | None = None


def _pass_on(name: str) -> Callable[..., Awaitable[Any]]:
    async def method(self: TenMethodStore, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before(name, arguments)
        reply = await getattr(self.behind, name)(*arguments)
        if self.after is not None:
            await self.after(name, arguments)
        await asyncio.sleep(0)
        return reply

    return method


@pytest.fixture
def only_ten() -> Callable[[SessionStore], TenMethodStore]:
    """Put a store behind the ten methods of the interface."""
    ten: Any = type(
        "TenMethods",
        (TenMethodStore,),
        {name: _pass_on(name) for name in SessionStore.__abstractmethods__},
    )
    return ten  # type: ignore[no-any-return]  # a class made of names


class ReachableObjects(Protocol):
    """What can be reached from some objects by their attributes alone."""

    def __call__(self, *objects: object) -> list[object]:
        """Find it: through containers and bound methods too, and not into functions."""
        ...


@pytest.fixture
def reachable_objects() -> ReachableObjects:
    """Walk from object to object, from attribute to attribute."""
    return _find_reachable


def _find_reachable(*objects: object) -> list[object]:
    reached: dict[int, object] = {}
    left: list[object] = [*objects]
    while left:
        each = left.pop()
        if id(each) in reached or isinstance(each, type | ModuleType | FunctionType):
            continue
        reached[id(each)] = each
        left += vars(each).values() if hasattr(each, "__dict__") else ()
        slots = [slot for kind in type(each).__mro__ for slot in vars(kind).items()]
        left += [
            getattr(each, name, None)
            for name, slot in slots
            if isinstance(slot, MemberDescriptorType)
        ]
        if isinstance(each, dict):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset | deque):
            left += each
        left.append(getattr(each, "__self__", None))
    return [*reached.values()]


def _loop_factory(config: pytest.Config) -> LoopFactory:
    if config.getoption("--loop") == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


@pytest.fixture
def thread_group() -> ThreadGroup:
    """Threads of a test."""
    return ThreadGroup()


def pytest_collection_finish() -> None:
    """Let no collection of garbage look through what stays in any case: thousands of tests."""
    gc.collect()
    gc.freeze()
