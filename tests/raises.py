"""Which `raise` of the two packages no test reaches, from the data of one run under coverage:

python -m coverage run --source=manual,torch_ref -m pytest -p no:cacheprovider
python -m tests.raises .coverage

A refusal is a `raise`, or the call of a parser's `error`, which raises by itself. A statement over
several lines counts as executed where any line of it was. What only a process started by a test
runs is not in that data: such a refusal needs a test in the process of the suite.
"""

import argparse
import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("manual", "torch_ref")


@dataclass(frozen=True)
class Refusal:
    """One statement that refuses: its file, its first and last line, and its text on one line."""

    path: Path
    first: int
    last: int
    text: str

    def __str__(self) -> str:
        name = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{name}:{self.first}: {self.text}"

    def is_in(self, executed: Iterable[int]) -> bool:
        return not set(range(self.first, self.last + 1)).isdisjoint(executed)


def refuses(node: ast.stmt) -> bool:
    """Whether this is a `raise`, or a statement that calls `….error(…)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "error"
    return isinstance(node, ast.Raise)


def refusals(source: str, path: Path) -> Iterator[Refusal]:
    """Every refusal of a source text, in the order of its lines."""
    statements = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt))
    for node in sorted(filter(refuses, statements), key=lambda node: node.lineno):
        text = " ".join((ast.get_source_segment(source, node) or "").split())
        yield Refusal(path, node.lineno, node.end_lineno or node.lineno, text)


def of_the_packages() -> list[Refusal]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [one for path in paths for one in refusals(path.read_text("utf-8"), path)]


def not_executed(
    all_of_them: Iterable[Refusal], executed_in: Callable[[Path], Iterable[int]]
) -> list[Refusal]:
    """Those with no line among the lines that were executed in their file."""
    return [one for one in all_of_them if not one.is_in(executed_in(one.path))]


def main(arguments: list[str] | None = None) -> int:
    """1 if a refusal was never reached, 2 if there is no such data, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.raises", description=__doc__)
    parser.add_argument("data", type=Path, help="what coverage wrote, such as .coverage")
    data_file = parser.parse_args(arguments).data
    if not data_file.is_file():
        parser.error(f"{data_file}: there is no such file")

    from coverage import CoverageData

    data = CoverageData(str(data_file))
    data.read()
    every = of_the_packages()
    missed = not_executed(every, lambda path: data.lines(str(path)) or [])
    print(*missed, f"{len(missed)} of {len(every)} refusals were never reached", sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
