"""The mutants of a module, as cosmic-ray lists them, and a draw of them by a seed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from pathlib import Path
from random import Random

__all__ = ["Mutant", "draw"]

_NOTHING = "core/NoOp"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    target: str
    file: str
    line: int
    operator: str
    occurrence: int
    change: str
    """The lines that go and the lines that come."""
    source: str
    """The whole module with the change."""

    @property
    def name(self) -> str:
        """The same in every run, as long as the module is."""
        return f"{self.file} {self.operator} {self.occurrence}"


def draw(root: Path, folders: dict[str, str], seed: int, count: int) -> list[Mutant]:
    """Draw mutants of the modules in these folders, by the name of the target.

    What does not compile is no mutant, and neither is a change of annotations only, which nothing
    evaluates.
    """
    listed = [each for name, folder in folders.items() for each in _listed(root, name, folder)]
    Random(seed).shuffle(listed)
    drawn: list[Mutant] = []
    for each in listed:
        if len(drawn) == count:
            break
        mutant = _made(root, *each)
        if mutant is not None:
            drawn.append(mutant)
    return drawn


def _listed(root: Path, target: str, folder: str) -> Iterator[tuple[str, str, str, int, int]]:
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    for path in sorted((root / folder).glob("*.py")):
        tree = get_ast_from_path(path)
        for operator in sorted(operator_names()):
            kind = get_operator(operator)
            if operator == _NOTHING or kind.arguments():
                continue
            places = [
                start[0] for node in ast_nodes(tree) for start, _ in kind().mutation_positions(node)
            ]
            for occurrence, line in enumerate(places):
                yield target, str(path.relative_to(root)), operator, occurrence, line


def _made(
    root: Path, target: str, file: str, operator: str, occurrence: int, line: int
) -> Mutant | None:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (root / file).read_text(encoding="utf-8")
    mutated = mutate_code(source, get_operator(operator)(), occurrence)
    if mutated is None or _meaning(mutated) in (None, _meaning(source)):
        return None
    change = _change(source.splitlines(), mutated.splitlines())
    return Mutant(target, file, line, operator, occurrence, change, mutated)


def _change(before: Sequence[str], after: Sequence[str]) -> str:
    lines = [*unified_diff(before, after, n=0, lineterm="")][3:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[0] in "+-")


@cache
def _meaning(source: str) -> str | None:
    """What a module does, without its annotations; None for what does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `is` with a literal, which is such a change
            tree = ast.parse(source)
            compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)
