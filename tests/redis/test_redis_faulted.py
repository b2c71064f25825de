"""The load with faults in it: a short run finds nothing, and each wrong store is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import faulted
import pytest
from faulted import main
from faulted_checks import Findings, Operation, Outcome, SessionRecord, note
from redis_engines import usual_engine
from sessionkeeper import Frame


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the report."""
    code = main(["--json", "--seconds", "60", "--seed", "7", *words])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


@pytest.mark.parametrize(
    "kinds",
    [
        "cuts,kills",
        *(pytest.param(k, marks=pytest.mark.long) for k in ("pauses,names", "clusters", "files")),
    ],
)
def test_nothing_is_found_under_faults(kinds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A round of each kind, and every fault met operations."""
    engine = "sqlite" if kinds == "files" else usual_engine("valkey").name
    code, report = run(capsys, "--operations", "1", "--only", kinds, "--engine", engine)
    assert (code, report["findings"]) == (0, {}), report["lanes"]
    for lane in report["lanes"].values():
        assert lane["rounds"] >= 1
        assert lane["faulted"] > 0


@pytest.mark.parametrize(
    ("flaw", "kinds", "expected"),
    [
        ("blind", "cuts", {"doubled"}),
        ("early", "kills", {"lost", "crossed"}),
        ("forgetful", "kills", {"lost"}),
        ("streamless", "cuts", {"lost"}),
        ("mixed", "pauses", {"crossed"}),
        ("mute", "kills", {"hung"}),
        ("liar", "kills", {"untrue", "lost"}),
        ("late", "files", {"lost"}),
        ("stale", "files", {"failed", "stale", "doubled", "lost"}),
    ],
)
def test_a_store_with_a_flaw_is_reported(
    flaw: str, kinds: str, expected: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong stores: one repeats blindly, answers early, mixes answers, gives none, or lies."""
    engine = "sqlite" if kinds == "files" else usual_engine("valkey").name
    words = ("--broken", flaw, "--only", kinds, "--engine", engine, "--operations", "1000000")
    code, report = run(capsys, *words)
    assert code == 1
    assert expected & report["findings"].keys(), report["findings"]
    assert "broke off" not in report["findings"], report["lanes"]


def test_ctrl_c_ends_it_with_a_report() -> None:
    """Wherever it is; the servers end with it."""
    words = ["--json", "--only", "kills", "--engine", usual_engine("valkey").name]
    with subprocess.Popen(
        [sys.executable, faulted.__file__, *words, "--operations", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("running") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert json.loads(said)["interrupted"]


def frames(*labels: str, first: int = 1) -> list[Frame]:
    """The content of a session."""
    return [
        Frame(seq=seq, envelope=note("s", label) if label else note("s", A).as_removed())
        for seq, label in enumerate(labels, first)
    ]


def found(operations: Sequence[Operation], held: Sequence[Frame], count: int = 0) -> set[str]:
    """Which kinds of findings a comparison makes."""
    findings = Findings()
    record = SessionRecord("s", findings)
    for operation in operations:
        record.asked(operation)
    record.check(held, count)
    return set(findings.counted)


def applied(*labels: str, at: int, when: tuple[float, float] = (0, 9), counts: bool = False) -> Any:
    """An append that was answered."""
    seqs = tuple(range(at, at + len(labels)))
    return Operation("s", labels, counts, *when, Outcome.APPLIED, seqs)


def removal(**outcome: Any) -> Operation:
    """A removal of the first frame."""
    return Operation("s", (), counts=False, removes=(1, A), **outcome)


A, B = "s|a", "s|b"


def test_a_comparison_accepts_what_agrees() -> None:
    """Unknown outcomes are accepted if they are stored whole or not at all."""
    both = [applied(A, at=1), applied(B, at=2)]
    unknown = Operation("s", (B, "s|c"), counts=True)
    assert found(both, frames(A, B)) == set()
    assert found([applied(A, at=1), unknown], frames(A), 0) == set()
    unknown = Operation("s", (B, "s|c"), counts=True)
    assert found([applied(A, at=1), unknown], frames(A, B, "s|c"), 1) == set()
    for held in (A, ""):
        assert found([applied(A, at=1), removal()], frames(held)) == set()
    done = removal(outcome=Outcome.APPLIED)
    assert found([*both, done], frames("", B)) == set()


@pytest.mark.parametrize(
    ("kind", "operations", "held", "count"),
    [
        ("lost", [applied(A, at=1)], frames(), 0),
        ("lost", [applied(A, at=2)], frames(A, first=2), 0),
        ("lost", [applied(A, at=1, counts=True)], frames(A), 0),
        ("lost", [Operation("s", (A,), counts=False, resolved=True)], frames(), 0),
        ("lost", [Operation("s", (A,), counts=True)], frames(A), 0),
        ("doubled", [applied(A, at=1)], frames(A, A), 0),
        ("doubled", [], frames(A), 0),
        ("doubled", [applied(A, at=1, counts=True)], frames(A), 2),
        ("doubled", [Operation("s", (A,), counts=True)], frames(), 1),
        ("crossed", [], frames("other|a"), 0),
        ("crossed", [applied(A, at=2), applied(B, at=1)], frames(A, B), 0),
        ("untrue", [Operation("s", (A,), counts=False, resolved=False)], frames(A), 0),
        ("untrue", [Operation("s", (A,), False, outcome=Outcome.REFUSED)], frames(A), 0),
        ("lost", [applied(A, at=1), removal(outcome=Outcome.APPLIED)], frames(A), 0),
        ("lost", [applied(A, at=1)], frames(""), 0),
        ("untrue", [applied(A, at=1), removal(outcome=Outcome.REFUSED)], frames(""), 0),
        ("untrue", [applied(A, at=1), removal(resolved=False)], frames(""), 0),
        ("torn", [Operation("s", (A, B), counts=False)], frames(A), 0),
        ("misordered", [Operation("s", (A, B), counts=False)], frames(B, A), 0),
        (
            "misordered",
            [applied(A, at=2, when=(0, 1)), applied(B, at=1, when=(2, 3))],
            frames(B, A),
            0,
        ),
    ],
)
def test_a_comparison_reports_what_does_not_agree(
    kind: str, operations: list[Operation], held: list[Frame], count: int
) -> None:
    """Each kind, in its smallest case."""
    assert kind in found(operations, held, count)
