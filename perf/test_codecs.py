"""What it costs to make values, and to turn them into what a store holds and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sessionkeeper import MessageEnvelope, Session
from sessionkeeper.backends.sqlite.codec import SQLiteRow, frame_columns, read_frame, read_row
from sessionkeeper.operations.frame_record import pack, unpack
from sessionlab.bench import make_message
from sessionlab.bench.latencies import Histogram

SIZES = {"100 B": 100, "1 KB": 1024, "64 KB": 65_536}
MESSAGES = {name: make_message(size) for name, size in SIZES.items()}
INFO = {"name": "client", "version": "1.0", "capabilities": {"roots": {"listChanged": True}}}
SESSION = Session.new(
    transport_type="stdio", id="s", client_info=INFO, tags={"a", "b"}, metadata={"turn": 1}
)
ROW = SQLiteRow(SESSION, incarnation="", number=1, revision=1, wall=1e9, steady=1.0)
ROW.stored_revision, ROW.ended, ROW.position = 1, False, 1
COLUMNS = (*ROW.session_columns(), *ROW.log_columns()[:5], *ROW.log_columns()[5:])


def envelope_of(message: bytes) -> MessageEnvelope:
    """Make one as a caller does, checks included."""
    return MessageEnvelope.of("s", message, direction="client-to-server")


MODELS: dict[str, Callable[[], object]] = {
    "Session.new": lambda: Session.new(transport_type="stdio", id="s"),
    "Session.new with all": lambda: Session.new(
        transport_type="stdio", id="s", client_info=INFO, tags={"a", "b"}, metadata={"turn": 1}
    ),
    "Session.model_copy of metadata": lambda: SESSION.model_copy(update={"metadata": {"turn": 2}}),
    "Session.model_dump_json": SESSION.model_dump_json,
}


@pytest.mark.parametrize("what", MODELS)
def test_model(benchmark: BenchmarkFixture, what: str) -> None:
    benchmark.group = "models"
    benchmark(MODELS[what])


@pytest.mark.parametrize("size", SIZES)
def test_envelope(benchmark: BenchmarkFixture, size: str) -> None:
    benchmark.group = f"a message of {size}"
    benchmark(envelope_of, MESSAGES[size])


@pytest.mark.parametrize("size", SIZES)
def test_kind_method_and_id(benchmark: BenchmarkFixture, size: str) -> None:
    benchmark.group = f"a message of {size}"

    def read() -> object:
        envelope = MessageEnvelope.trusted(fields)
        return envelope.kind, envelope.method, envelope.request_id

    fields = dict(envelope_of(MESSAGES[size]))
    benchmark(read)


@pytest.mark.parametrize("size", SIZES)
def test_record(benchmark: BenchmarkFixture, size: str) -> None:
    benchmark.group = f"a message of {size}"
    envelope = envelope_of(MESSAGES[size])
    assert benchmark(lambda: unpack("s", pack(envelope))) == envelope


@pytest.mark.parametrize("size", SIZES)
def test_columns_of_a_frame(benchmark: BenchmarkFixture, size: str) -> None:
    benchmark.group = f"a message of {size}"
    record = pack(envelope_of(MESSAGES[size]))

    def there_and_back() -> object:
        [(_, _, *columns)] = frame_columns(1, 1, [record])
        return read_frame(tuple(columns))

    assert benchmark(there_and_back) == record


def test_columns_of_a_session(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "models"
    there_and_back = benchmark(lambda: (ROW.session_columns(), read_row(COLUMNS)))
    assert there_and_back[1].session.metadata == SESSION.metadata


def test_histogram(benchmark: BenchmarkFixture) -> None:
    """What the load harness does with the latencies of a round, after it."""
    benchmark.group = "100,000 latencies into a histogram"
    latencies = [1_000 + n % 50_000 for n in range(100_000)]
    benchmark(lambda: Histogram().record(latencies))
