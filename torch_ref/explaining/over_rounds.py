"""What becomes of a network over many rounds: the curve of its error, and some of the rounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

import numpy as np

from manual.article.description import Description
from manual.article.formulas import Values
from manual.article.scalars import scalars
from manual.article.walkthrough import after, again, values_by_hand

from .rows import ROUNDS

WIDTH, HEIGHT, LEFT, BELOW = 720, 260, 70, 40  # of the curve
ACROSS, SIDE, LEVELS = 28, 220, 12  # squares of the map, its size, and its shades
MOST = 1_000  # rounds of a network that is not the article's


@dataclass(frozen=True)
class Shown:
    """One round."""

    number: int
    network: Description
    values: Values


@dataclass(frozen=True)
class OverRounds:
    """The error after every round, and some of the rounds.

    Attributes:
        errors: after 0, 1, 2, … rounds; fewer where it stops being a number.
        early: by the article's early update; empty of other networks.
        ended: whether it stopped being a number.
    """

    errors: list[float]
    early: list[float]
    shown: list[Shown]
    ended: bool = False


def over_rounds(d: Description, steps: int) -> OverRounds:
    """So many rounds from the network on, and those of `ROUNDS`; the article's 10,000."""
    if d.article:
        last = max(ROUNDS)
        run = list(islice(scalars(), last + 1))
        early = [one["E_total"] for one in islice(scalars("early"), last + 1)]
        numbers = sorted({*ROUNDS, steps} if steps <= last else ROUNDS)
        shown = [Shown(n, found := with_weights(d, run[n]), values_by_hand(found)) for n in numbers]
        return OverRounds([one["E_total"] for one in run], early, shown)
    last = max(MOST, steps)
    numbers = sorted({steps, *(n for n in ROUNDS if n <= last)})
    errors, shown = [], []
    with np.errstate(all="ignore"):  # a rate that is too large: the curve ends where it does
        for n in range(last + 1):
            values = values_by_hand(d)
            if not np.isfinite(
                [values["L"], *(np.sum(values[f"W{i + 1}_new"]) for i in range(d.layers))]
            ).all():
                break
            errors.append(float(values["L"]))
            if n in numbers:
                shown.append(Shown(n, d, values))
            d = after(d, values)
    return OverRounds(errors, [], shown, ended=len(errors) <= last)


def with_weights(d: Description, run: dict[str, float]) -> Description:
    """The article's network with the weights of one of its rounds."""
    w = [run[f"w{i}"] for i in range(1, 9)]
    return replace(d, weights=(np.reshape(w[:4], (2, 2)), np.reshape(w[4:], (2, 2))))


class Curve:
    """The error over the rounds as a picture: rounds and error by their orders of magnitude."""

    def __init__(self, over: OverRounds) -> None:
        self.over = over
        every = [e for e in [*over.errors, *over.early] if e > 0]
        self.last = len(over.errors) - 1
        low, high = math.log10(min(every)), math.log10(max(every))
        self.low, self.high = math.floor(low * 2) / 2, max(math.ceil(high * 2) / 2, low + 0.5)

    def x(self, n: float) -> float:
        """Round 0 stands at the left, then 1, 10, 100 at equal distances."""
        place = math.log10(1 + n) / math.log10(1 + max(self.last, 1))
        return LEFT + place * (WIDTH - LEFT - 20)

    def y(self, error: float) -> float:
        level = math.log10(max(error, 10**self.low))
        return 12 + (self.high - level) / (self.high - self.low) * (HEIGHT - BELOW - 12)

    def path(self, errors: Sequence[float]) -> str:
        """Through some two hundred rounds, close together where the picture is wide."""
        last = len(errors) - 1
        rounds = {0, last, *(round(10 ** (k / 50)) - 1 for k in range(1, 251))}
        points = [f"{self.x(n):.1f} {self.y(errors[n]):.1f}" for n in sorted(rounds) if n <= last]
        return "M" + "L".join(points)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Of the rounds: places and numbers."""
        found = [0, *(10**k for k in range(6) if 10**k <= self.last)]
        return [(self.x(n), f"{n:,}") for n in found]

    @property
    def levels(self) -> list[tuple[float, int]]:
        """Of the error: places and powers of ten."""
        powers = range(math.ceil(self.low), math.floor(self.high) + 1)
        return [(self.y(10.0**k), k) for k in powers]


@dataclass(frozen=True)
class Shade:
    """All squares of a map in which the first output is about the same."""

    share: float
    path: str


class OutputMap:
    """The first output of a network with two inputs, over a square around its samples."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        x = shown[0].network.x
        middle, reach = (x.min(axis=0) + x.max(axis=0)) / 2, float(np.ptp(x, axis=0).max()) / 2 + 1
        self.low, self.high = middle - reach, middle + reach
        places = (np.arange(ACROSS) + 0.5) / ACROSS
        across, up = np.meshgrid(
            *(a + places * (b - a) for a, b in zip(self.low, self.high, strict=True))
        )
        points = np.stack([across.ravel(), up.ravel()], axis=1)
        self.outputs = [self.output_at(one.network, points) for one in shown]
        self.least, self.most = min(map(np.min, self.outputs)), max(map(np.max, self.outputs))
        self.points = [self.at(*sample) for sample in x]

    def at(self, first: float, second: float) -> tuple[float, float]:
        share = (np.array([first, second]) - self.low) / (self.high - self.low)
        return float(share[0]) * SIDE, float(1 - share[1]) * SIDE

    def output_at(self, d: Description, points: np.ndarray) -> np.ndarray:
        t = (
            np.zeros(len(points), int)
            if d.loss == "cross-entropy"
            else np.zeros((len(points), d.sizes[-1]))
        )
        values = again(replace(d, x=points, t=t))
        out = values["p_new"] if d.loss == "cross-entropy" else values[f"a{d.layers}_new"]
        return np.asarray(out[:, 0]).reshape(ACROSS, ACROSS)

    def shades(self, which: int) -> list[Shade]:
        """The map of one of the rounds, from the least to the largest output."""
        spread = (self.most - self.least) or 1.0
        levels = (
            ((self.outputs[which] - self.least) / spread * LEVELS).astype(int).clip(0, LEVELS - 1)
        )
        paths: dict[int, list[str]] = {}
        size = SIDE / ACROSS
        for i, line in enumerate(levels):
            start = 0
            for level, run in groupby(line.tolist()):
                length = len(list(run))
                at = f"M{start * size:.1f} {SIDE - (i + 1) * size:.1f}"
                wide = f"h{length * size:.2f}"
                paths.setdefault(level, []).append(f"{at}{wide}v{size:.2f}h-{wide[1:]}z")
                start += length
        return [Shade(level / (LEVELS - 1), "".join(paths[level])) for level in sorted(paths)]
