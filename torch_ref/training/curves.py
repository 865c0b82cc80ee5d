"""The curves of a run, and how far its two sides part, as CSV for other tools."""

import csv
from collections.abc import Iterable
from pathlib import Path

from ..parity.distance import Comparison

CURVES, PARITY = "curves.csv", "parity.csv"


class Tables:
    """Two CSV files, written row by row; numbers keep all their digits.

    A run that goes on after a step keeps the rows up to that one.

    curves.csv      step, curve, by_hand, autograd
    parity.csv      step, kind, tensor, relative, allowed, agrees: the largest distance since the
                    last row of that tensor, relative to the tensor, and what rounding explains
    """

    def __init__(self, path: Path, after: int = 0) -> None:
        kept = [rows_until(path / name, after) for name in (CURVES, PARITY)]
        self.files = [
            (path / name).open("w", newline="", encoding="utf-8") for name in (CURVES, PARITY)
        ]
        self.curves, self.parity = map(csv.writer, self.files)
        self.curves.writerow(("step", "curve", "by_hand", "autograd"))
        self.parity.writerow(("step", "kind", "tensor", "relative", "allowed", "agrees"))
        self.curves.writerows(kept[0])
        self.parity.writerows(kept[1])

    def log_both(self, step: int, curve: str, mine: float, theirs: float) -> None:
        """A point of a curve."""
        self.curves.writerow((step, curve, mine, theirs))

    def log_distances(self, step: int, rows: Iterable[Comparison]) -> None:
        """The distances of all tensors."""
        for row in rows:
            allowed = row.tolerance * row.eps
            agrees = "yes" if row.agrees else "no"
            self.parity.writerow((step, row.kind, row.name, row.relative, allowed, agrees))

    def flush(self) -> None:
        for file in self.files:
            file.flush()

    def close(self) -> None:
        for file in self.files:
            file.close()


def rows_until(path: Path, step: int) -> list[list[str]]:
    """The rows of a table of an earlier part of the run, up to that step; none at its start."""
    if not step or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    width = len(rows[0]) if rows else 0  # the last row may have been cut off
    return [row for row in rows if len(row) == width and int(row[0]) <= step]
