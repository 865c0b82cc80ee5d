"""How good a network's answers are, as one number, beside the loss that it is trained by."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from manual.arrays import Array


@dataclass(frozen=True)
class Score:
    """One number for outputs and targets, the larger the better.

    Attributes:
        name: in sentences.
        metric: among a run's final metrics.
        of: from outputs and targets to the score.
        written: how it is formatted.
        same: how many answers of both sides are the same, and of how many; None: not counted.
    """

    name: str
    metric: str
    of: Callable[[Array, Array], float]
    written: str
    same: Callable[[Array, Array, Array], tuple[int, int]] | None = None

    @property
    def tag(self) -> str:
        """Of its curve."""
        return f"{self.name[0].upper()}{self.name[1:]}/val"


def right(output: Array, t: Array) -> float:
    """The share of right answers: the highest score is the class's, or the number rounds to it."""
    if t.ndim != 1:
        return float((np.round(output) == np.round(t)).mean())
    counts = t >= 0  # what is below is no class, and does not count
    return float((output.argmax(axis=1) == t)[counts].mean())


def same_class(mine: Array, theirs: Array, t: Array) -> tuple[int, int]:
    """How many classes both sides give alike, and of how many."""
    counts = t >= 0
    same = mine.argmax(axis=1) == theirs.argmax(axis=1)
    return int(same[counts].sum()), int(counts.sum())


def explained(output: Array, t: Array) -> float:
    """R²: the share of the targets' variance that is explained; the mean alone has 0.

    NaN where they do not vary.
    """
    unexplained, variance = np.square(output - t).sum(), np.square(t - t.mean(axis=0)).sum()
    return float(1 - unexplained / variance) if variance else math.nan


ACCURACY = Score("accuracy", "share of right answers", right, ".2%", same_class)
R_SQUARED = Score("R squared", "R squared", explained, ".4f")
