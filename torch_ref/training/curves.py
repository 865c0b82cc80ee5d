"""The curves of a run, and how far its two sides part, as CSV for other tools."""

import csv
from collections.abc import Iterable
from pathlib import Path

from ..parity.distance import Comparison

CURVES, PARITY = "curves.csv", "parity.csv"


class Tables:
    """Two CSV files, written row by row; numbers keep all their digits.

    curves.csv      step, curve, by_hand, autograd
    parity.csv      step, kind, tensor, relative, allowed, agrees: the largest distance since the
                    last row of that tensor, relative to the tensor, and what rounding explains
    """

    def __init__(self, path: Path) -> None:
        self.files = [
            (path / name).open("w", newline="", encoding="utf-8") for name in (CURVES, PARITY)
        ]
        self.curves, self.parity = map(csv.writer, self.files)
        self.curves.writerow(("step", "curve", "by_hand", "autograd"))
        self.parity.writerow(("step", "kind", "tensor", "relative", "allowed", "agrees"))

    def log_both(self, step: int, curve: str, mine: float, theirs: float) -> None:
        """A point of a curve."""
        self.curves.writerow((step, curve, mine, theirs))

    def log_distances(self, step: int, rows: Iterable[Comparison]) -> None:
        """The distances of all tensors."""
        for row in rows:
            allowed = row.tolerance * row.eps
            agrees = "yes" if row.agrees else "no"
            self.parity.writerow((step, row.kind, row.name, row.relative, allowed, agrees))

    def close(self) -> None:
        for file in self.files:
            file.close()
