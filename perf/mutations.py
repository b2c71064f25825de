"""Plant faults that a mutation tool lists, by a seed, and see which of them no test notices.

`pip install -e '.[mutation]'`, then `nice -n 19 python perf/mutations.py --results mutants.jsonl`.
It proves itself first: the tests pass without a fault, and an obvious fault is killed. A run that
was ended goes on with the same file of results; `--again` tries what survived once more.
"""

from __future__ import annotations

import json
import signal
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from mutant_trial import Trial, TrialTree
from mutants import Mutant, draw
from mutation_targets import TARGETS, Target

ROOT = Path(__file__).parents[1]
SEED, COUNT = 2026, 300
LEAST, TIMES = 180.0, 6
"""Seconds that a trial has at least, and how many times as long as the tests take."""

Result: TypeAlias = dict[str, Any]


class Results:
    """A file with a line for each trial; the last one of a mutant, or of a test, counts."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.by_name: dict[str, Result] = {}
        """Also of tests without a fault, by the name of the test and the tree."""
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                result = json.loads(line)
                self.by_name[result["name"]] = result

    def add(self, result: Result) -> None:
        """Keep a result, also on the disk."""
        self.by_name[result["name"]] = result
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")


class Proof:
    """That tests pass without a fault, before they are asked about one; and how long they take."""

    def __init__(self, tree: TrialTree, results: Results) -> None:
        self._tree = tree
        self._results = results
        self._seconds: dict[str, float] = {}

    def limit(self, tests: Sequence[str]) -> float:
        """Return how long a trial may take.

        A test that fails without a fault is named and left out. Exits if tests fail then, too.
        """
        for each in tests:
            if each not in self._seconds:
                name = f"{each} in {self._tree.digest}"
                known = self._results.by_name.get(name) or self._passing(each) | {"name": name}
                self._results.add(known)
                self._tree.leave_out(known["left_out"])
                self._seconds[each] = known["seconds"]
        return max(LEAST, TIMES * sum(self._seconds[each] for each in tests))

    def _passing(self, test: str) -> Result:
        left_out: list[str] = []
        clean = self._tree.run([test], 3_600.0)
        if clean.outcome != "survived":
            left_out = self._tree.leave_out_failing([test], 3_600.0)
            for failed in left_out:
                print(f"left out, for it fails without a fault: {failed}", flush=True)
            clean = self._tree.run([test], 3_600.0)
        if clean.outcome != "survived":
            raise SystemExit(f"without a fault {test} fails: {clean.by}")
        print(f"without a fault {test} passes in {clean.seconds:.0f} s", flush=True)
        return {"seconds": clean.seconds, "left_out": left_out}

    def plant(self, target: Target) -> None:
        """Plant an obvious fault. Exits if it is not noticed."""
        file, text, instead = target.planted
        path = f"{target.folder}/{file}"
        source = self._tree.read(path)
        if text not in source:
            raise SystemExit(f"{path} has no {text!r}: name another fault to plant")
        tests = target.tests_of(file)
        changed = source.replace(text, instead)
        planted = self._tree.run_changed(path, changed, tests, self.limit(tests))
        if planted.outcome == "survived":
            raise SystemExit(f"{path}: {text!r} became {instead!r}, and no test noticed")
        print(f"{target.name}: an obvious fault is {planted.outcome} by {planted.by}", flush=True)


def try_all(
    tree: TrialTree, mutants: Sequence[Mutant], results: Results, *, again: bool, quick: bool
) -> None:
    """Try each mutant that has no result yet; with `again` those that survived.

    With `quick` a mutant that survives the tests of its module is not tried with the rest.
    """
    targets = {target.name: target for target in TARGETS}

    def is_left(mutant: Mutant) -> bool:
        result = results.by_name.get(mutant.name)
        return result is None or (again and result["outcome"] == "survived")

    left = [mutant for mutant in mutants if is_left(mutant)]
    proof = Proof(tree, results)
    for name in dict.fromkeys(mutant.target for mutant in left):
        proof.plant(targets[name])
    for number, mutant in enumerate(left, 1):
        target = targets[mutant.target]
        trial = Trial("survived", 0.0, "")
        for tests in (target.tests_of(Path(mutant.file).name), () if quick else target.rest):
            if tests and trial.outcome == "survived":
                trial = tree.run_changed(mutant.file, mutant.source, tests, proof.limit(tests))
        facts = asdict(mutant) | asdict(trial) | {"name": mutant.name}
        del facts["source"]
        results.add(facts)
        place = f"{mutant.file}:{mutant.line}"
        print(f"[{number}/{len(left)}] {trial.outcome}, {trial.seconds:.1f} s, {place}", flush=True)
        if trial.outcome == "survived":
            print(mutant.change, flush=True)


def summary(mutants: Sequence[Mutant], results: Results) -> Result:
    """Say how many of the drawn mutants were tried and killed, and which survived."""
    tried = [results.by_name[each.name] for each in mutants if each.name in results.by_name]
    counts = Counter(result["outcome"] for result in tried)
    return {
        "drawn": len(mutants),
        "tried": len(tried),
        "killed": counts["killed"] + counts["timed out"],
        "timed_out": counts["timed out"],
        "survived": [result for result in tried if result["outcome"] == "survived"],
    }


def show(summed: Result) -> None:
    """Print a summary."""
    for result in summed["survived"]:
        print(f"\n{result['file']}:{result['line']} {result['operator']}\n{result['change']}")
    tried, killed = summed["tried"], summed["killed"]
    part = f", {killed / tried:.1%}" if tried else ""
    print(
        f"\n{summed['drawn']} drawn, {tried} tried, {killed} killed{part}"
        f" ({summed['timed_out']} of them by time), {len(summed['survived'])} survived"
    )


def options() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=COUNT, help="how many to draw")
    parser.add_argument(
        "--only", help="targets, with commas: " + ", ".join(t.name for t in TARGETS)
    )
    parser.add_argument("--results", type=Path, help="the file to go on with")
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--quick", action="store_true", help="ask the tests of the module only")
    parser.add_argument("--list", action="store_true", help="print what is drawn, and try nothing")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser.parse_args()


def main() -> None:
    """Draw, try, and say what survived."""
    asked = options()
    # What was started in the background ignores the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mutants = draw(ROOT, {each.name: each.folder for each in TARGETS}, asked.seed, asked.count)
    if asked.only is not None:
        mutants = [mutant for mutant in mutants if mutant.target in asked.only.split(",")]
    results = Results(asked.results)
    if asked.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line} {mutant.operator}\n{mutant.change}")
        return
    try:
        with TrialTree.of(ROOT) as tree:
            try_all(tree, mutants, results, again=asked.again, quick=asked.quick)
    except KeyboardInterrupt:
        print("\nended; the same command goes on", flush=True)
    summed = summary(mutants, results)
    if asked.json:
        print(json.dumps(summed, indent=1))
    else:
        show(summed)


if __name__ == "__main__":
    main()
