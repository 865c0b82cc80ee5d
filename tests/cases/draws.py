"""What inputs of a case can be drawn. Floating ones are cast to the dtype under test."""

from collections.abc import Callable
from typing import Any

import numpy as np

Generator = np.random.Generator
Draw = Callable[[Generator], tuple[Any, ...]]


def normal(*shapes: tuple[int, ...], scale: float = 1.0) -> Draw:
    """An input of each of these shapes."""
    return lambda g: tuple(np.asarray(g.normal(size=shape) * scale) for shape in shapes)


def inside(*shapes: tuple[int, ...]) -> Draw:
    """Numbers well inside (0, 1)."""
    return lambda g: tuple(np.asarray(g.uniform(0.05, 0.95, size=shape)) for shape in shapes)


def scores(shape: tuple[int, ...], ignored: int | None = None, scale: float = 1.0) -> Draw:
    """Scores (N, C, …) and integer classes, the first of them perhaps to be ignored."""

    def draw(g: Generator) -> tuple[Any, ...]:
        samples = shape[:1] + shape[2:] if len(shape) > 1 else ()
        classes = np.asarray(g.integers(0, shape[min(1, len(shape) - 1)], size=samples))
        if ignored is not None:
            classes.reshape(-1)[0] = ignored
        return g.normal(size=shape) * scale, classes

    return draw


def log_probabilities(shape: tuple[int, ...]) -> Draw:
    """As `scores`, with log-probabilities along the classes' axis."""

    def draw(g: Generator) -> tuple[Any, ...]:
        x, classes = scores(shape)(g)
        return x - np.log(np.exp(x).sum(axis=min(1, x.ndim - 1), keepdims=True)), classes

    return draw


def shares(shape: tuple[int, ...]) -> Draw:
    """Scores and probabilities of the classes."""

    def draw(g: Generator) -> tuple[Any, ...]:
        likely = g.uniform(0.1, 1, size=shape)
        return g.normal(size=shape), likely / likely.sum(axis=min(1, len(shape) - 1), keepdims=True)

    return draw


def signed(*shapes: tuple[int, ...]) -> Draw:
    """An input of each shape but the last, which gets 1 and −1, both in turn."""

    def draw(g: Generator) -> tuple[Any, ...]:
        count = int(np.prod(shapes[-1]))
        signs = np.where(np.arange(count) % 2, -1.0, 1.0).reshape(shapes[-1])
        return *(np.asarray(g.normal(size=shape)) for shape in shapes[:-1]), signs

    return draw


def labels(shape: tuple[int, ...]) -> Draw:
    """Scores, and rows of true classes that end at a −1."""

    def draw(g: Generator) -> tuple[Any, ...]:
        rows = np.stack([g.permutation(shape[-1]) for _ in range(int(np.prod(shape[:-1])))])
        for i, row in enumerate(rows):
            row[1 + i % (shape[-1] - 1)] = -1
        return g.normal(size=shape), rows.reshape(shape)

    return draw


def densities(*shapes: tuple[int, ...]) -> Draw:
    """Means, a target and variances of these shapes."""
    mean, target, var = shapes
    return lambda g: (
        g.normal(size=mean),
        np.asarray(g.normal(size=target)),
        np.asarray(g.uniform(0.2, 2, size=var)),
    )


def between(shape: tuple[int, ...], *limits: tuple[float, float]) -> Draw:
    """An input of this shape within each of these limits."""
    return lambda g: tuple(np.asarray(g.uniform(*ends, size=shape)) for ends in limits)


def logarithms(shape: tuple[int, ...], log_target: bool) -> Draw:
    """Log-probabilities, and probabilities that are perhaps given by their logarithms too."""

    def draw(g: Generator) -> tuple[Any, ...]:
        x, target = between(shape, (0.1, 0.9), (0.1, 0.9))(g)
        return np.log(x), np.log(target) if log_target else target

    return draw


def answers(shape: tuple[int, ...]) -> Draw:
    """Scores, and the probabilities of a yes."""
    return lambda g: (np.asarray(g.normal(size=shape) * 3), np.asarray(g.uniform(size=shape)))


def exactly(*values: float) -> Draw:
    """One input, with just these values."""
    return exactly_these(np.array(values))


def tokens(count: int, shape: tuple[int, ...]) -> Draw:
    """Whole numbers below `count`, some of them more than once."""
    return lambda g: (g.integers(count, size=shape),)


def exactly_these(*inputs: Any) -> Draw:
    """Just these inputs."""
    return lambda g: inputs


def numbers(below: int, *shape: int) -> Draw:
    """Whole numbers; with more of them than there are values, some come twice."""
    return lambda g: (g.integers(0, below, size=shape),)


def spelling(unbatched: bool = False) -> Draw:
    """Scores (T, N, C), targets one of which has a label twice in a row, and lengths."""

    def draw(g: Generator) -> tuple[Any, ...]:
        targets = g.integers(1, 5, size=(4, 3))
        targets[0] = [2, 2, 1]
        return g.normal(size=(7, 4, 5)), targets, np.array([7, 6, 7, 5]), np.array([3, 2, 1, 0])

    def draw_one(g: Generator) -> tuple[Any, ...]:
        return g.normal(size=(7, 5)), np.array([2, 2, 1]), np.array(7), np.array(3)

    return draw_one if unbatched else draw
