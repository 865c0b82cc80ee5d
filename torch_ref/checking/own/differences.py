"""Derivatives of someone's real forward pass by differences: they judge the traced ones.

Five points, f′ ≈ (8 (f(h) − f(−h)) − (f(2h) − f(−2h))) / 12h, at h = 1e-3 in float64, are good to
about 1e-9 of the gradient's size; a wrongness above 1e-8 is told. Within a step of a kink smaller
steps decide, and at a kink itself every slope between the two sides is right.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..reference import is_array
from .matching import Leaf
from .programs import Program
from .tracing import Leaves, outputs_at

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
WATCHED = 60  # elements of a leaf that are looked at one by one
TOLD = 1e-8  # of the gradient's size, at the first step
Function = Callable[[float], float]


class Slopes:
    """A program's forward pass as a function of each leaf, its outputs weighed into one number.

    Args:
        values: the numbers of the leaves that the code holds, by name.
        weights: of each output: the upstream gradients.
    """

    def __init__(
        self,
        program: Program,
        paths: Leaves,
        values: Mapping[str, Any],
        inputs: Sequence[Any],
        weights: Sequence[Any],
    ) -> None:
        self.program, self.paths, self.values = program, paths, dict(values)
        self.inputs, self.weights = list(inputs), [np.asarray(w, float) for w in weights]
        self.size = self.at({}, self.inputs, absolute=True)

    def at(
        self, changed: Mapping[str, Any], inputs: Sequence[Any], absolute: bool = False
    ) -> float:
        outputs = outputs_at(self.program, self.paths, self.values | dict(changed), inputs)
        pairs = list(zip(outputs, self.weights, strict=False))
        if absolute:
            return float(sum(np.abs(w * y).sum() for y, w in pairs))
        return float(sum((w * y).sum() for y, w in pairs))

    def value_of(self, leaf: Leaf) -> np.ndarray:
        if leaf.path is not None:
            return np.asarray(self.values[leaf.name], float)
        return np.asarray(self.inputs[int(leaf.name.split()[1])], float)

    def along(self, leaf: Leaf, direction: np.ndarray) -> Function:
        """The forward pass along a direction of one leaf."""
        value = self.value_of(leaf)

        def f(t: float) -> float:
            moved = value + t * direction
            if leaf.path is not None:
                return self.at({leaf.name: moved}, self.inputs)
            inputs = list(self.inputs)
            inputs[int(leaf.name.split()[1])] = moved
            return self.at({}, inputs)

        return f

    def element(self, leaf: Leaf, index: tuple[int, ...]) -> Function:
        direction = np.zeros(self.value_of(leaf).shape)
        direction[index] = 1.0
        return self.along(leaf, direction)

    def noise(self, h: float) -> float:
        """What rounding makes of a difference over this step."""
        return 1e-15 * self.size / h


def five_points(f: Function, h: float) -> float:
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def fits(f: Function, slope: float, size: float, noise: Callable[[float], float]) -> bool:
    """Whether a slope is one that differences show, at some step, or lies between a kink's two."""
    for h in STEPS:
        loose = TOLD * (h / STEPS[0]) ** -1 if h != STEPS[0] else TOLD
        if abs(five_points(f, h) - slope) <= loose * size + noise(h):
            return True
    return at_kink(f, slope, size, noise)


def at_kink(f: Function, slope: float, size: float, noise: Callable[[float], float]) -> bool:
    """Whether a kink is here, and the slope lies between its two sides."""
    h = STEPS[-1]
    middle, sides = f(0.0), []
    for step in (h, -h):
        one = (f(step) - middle) / step
        half = (f(step / 2) - middle) / (step / 2)
        sides.append(2 * half - one)
    slack = 1e-4 * size + noise(h) * 4
    low, high = min(sides), max(sides)
    return high - low > 2 * slack and low - slack <= slope <= high + slack


def unfit(
    slopes: Slopes, leaves: Mapping[str, Leaf], gradients: Mapping[str, Any], seed: int
) -> list[str]:
    """The leaves whose gradient is not the slope of the real forward pass, along one direction."""
    generator = np.random.default_rng(seed)
    bad = []
    for name, leaf in leaves.items():
        gradient = np.asarray(gradients[name], float)
        direction = np.sign(generator.normal(size=gradient.shape)) * generator.uniform(
            0.5, 1, size=gradient.shape
        )
        terms = gradient * direction
        size = 100 * float(np.abs(terms).sum()) + 1e-3 * slopes.size
        f = slopes.along(leaf, direction)
        if not np.isfinite(gradient).all() or not (
            fits(f, float(terms.sum()), size, slopes.noise)
            or all_fit(slopes, leaf, gradient)  # kinks in both directions add up to none
        ):
            bad.append(name)
    return bad


def all_fit(slopes: Slopes, leaf: Leaf, gradient: np.ndarray) -> bool:
    """Whether some elements of a gradient are slopes of the real forward pass, one by one."""
    size = float(np.abs(gradient).max(initial=0)) or 1.0
    return all(
        fits(slopes.element(leaf, index), float(gradient[index]), size, slopes.noise)
        for index in some_places(gradient.shape, WATCHED)
    )


def some_places(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """The places of an array, or as many of them, spread evenly."""
    places = list(np.ndindex(*shape))
    if len(places) <= most:
        return places
    return [places[i] for i in np.linspace(0, len(places) - 1, most).astype(int)]


def gradient_by_differences(
    slopes: Slopes, leaf: Leaf, mine: np.ndarray, most: int
) -> tuple[np.ndarray, int, int]:
    """A gradient by differences; where it stands within a step of a kink, theirs if that may be.

    Returns:
        The gradient; how many elements were looked at; how many of them lie at a kink.
    """
    places = some_places(mine.shape, most)
    found = np.array(mine, float)
    for index in places:
        found[index] = five_points(slopes.element(leaf, index), STEPS[0])
    size = float(np.abs(found).max(initial=0)) or 1.0
    kinks = 0
    for index in places:
        if abs(found[index] - mine[index]) > TOLD * size + slopes.noise(STEPS[0]):
            f = slopes.element(leaf, index)
            if fits(f, float(mine[index]), size, slopes.noise):
                found[index], kinks = mine[index], kinks + 1
    return found, len(places), kinks


def in_double(inputs: Sequence[Any]) -> list[Any]:
    return [x.astype(float) if is_array(x) and x.dtype.kind == "f" else x for x in inputs]
