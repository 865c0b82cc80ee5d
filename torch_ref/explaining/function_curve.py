"""A function of one number and its derivative as a picture."""

from dataclasses import dataclass

import numpy as np

from manual import Module

LEFT, RIGHT, POINTS = -5.0, 5.0, 401


@dataclass(frozen=True)
class FunctionCurve:
    """A module that takes every number by itself, from −5 to 5: its value, and what 1 brings back.

    Attributes:
        x, y, slope: (points,)
    """

    WIDTH, HEIGHT, LEFT, BELOW = 640, 320, 50, 34

    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray

    def across(self, x: float) -> float:
        share = (x - self.x[0]) / (self.x[-1] - self.x[0])
        return round(self.LEFT + float(share) * (self.WIDTH - self.LEFT - 10), 1)

    @property
    def range(self) -> tuple[float, float]:
        both = np.concatenate([self.y, self.slope])
        return float(np.floor(both.min())), float(np.ceil(both.max()))

    def up(self, y: float) -> float:
        low, high = self.range
        return round(10 + (high - y) / (high - low) * (self.HEIGHT - self.BELOW - 10), 1)

    def path(self, values: np.ndarray) -> str:
        """In pieces, which end where the values leap."""
        leaps = np.abs(np.diff(values)) > 20 * (self.x[1] - self.x[0])
        pieces = np.split(np.arange(len(values)), np.flatnonzero(leaps) + 1)
        points = [[f"{self.across(self.x[i])} {self.up(values[i])}" for i in p] for p in pieces]
        return "".join("M" + "L".join(piece) for piece in points)

    @property
    def value(self) -> str:
        return self.path(self.y)

    @property
    def derivative(self) -> str:
        return self.path(self.slope)

    @property
    def ticks(self) -> list[tuple[float, str, int]]:
        """Where a whole number stands, how it is written, and the number."""
        first, last = round(float(self.x[0])), round(float(self.x[-1]))
        return [(self.across(n), f"{n}".replace("-", "−"), n) for n in range(first, last + 1)]

    @property
    def levels(self) -> list[tuple[float, str, int]]:
        low, high = map(round, self.range)
        return [(self.up(n), f"{n}".replace("-", "−"), n) for n in range(low, high + 1)]


def function_curve(module: Module) -> FunctionCurve:
    """Of a module without random numbers, in eval mode."""
    x = np.linspace(LEFT, RIGHT, POINTS)
    module = module.eval().to(np.float64)
    y = module(x)
    return FunctionCurve(x, np.asarray(y), np.asarray(module.backward(np.ones_like(x))))
