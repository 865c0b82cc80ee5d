"""What a step rule is tried on: weights of several shapes and scales, and gradients for each step.

The gradients do not depend on the weights: what one step does wrong does not hide what the next
one does. Each element has a size of its own, from ten down to about ε, where it shows what ε does
and where it stands; some are zero now and then, some always.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..layouts import Array

FLOAT = np.dtype(np.float64)
SHAPES = {"W1": (4, 3), "b1": (4, 1), "W2": (2, 4), "b2": (2, 1)}
SCALES = (1.0, 0.1, 10.0, 0.01)  # of the weights, tensor by tensor


@dataclass(frozen=True)
class Problem:
    """Weights to start from, by name, and the gradients of each step, in the same order."""

    weights: dict[str, Array]
    gradients: list[list[Array]]

    @property
    def steps(self) -> int:
        return len(self.gradients)

    def first(self, count: int) -> "Problem":
        """The same, of the first `count` tensors alone."""
        weights = dict(list(self.weights.items())[:count])
        return replace(self, weights=weights, gradients=[g[:count] for g in self.gradients])


def drawn(steps: int, eps: float, seed: int, alike: bool = False) -> Problem:
    """A problem of so many steps.

    Args:
        eps: the rule's own; some gradients are as small.
        alike: all tensors have one shape, as where a state is shared between them.
    """
    generator = np.random.default_rng([seed, alike])
    shapes = [next(iter(SHAPES.values()))] * len(SHAPES) if alike else [*SHAPES.values()]
    sizes = [1.0, max(eps, 1e-12), 1e-2, 0.0, 10.0, max(eps, 1e-12) ** 0.5, 0.3]
    weights = {
        name: scale * generator.normal(size=shape)
        for name, shape, scale in zip(SHAPES, shapes, SCALES, strict=True)
    }
    own = [np.resize(np.roll(sizes, -2 * i), shape) for i, shape in enumerate(shapes)]
    gradients = []
    for _ in range(steps):
        there = [generator.uniform(size=shape) < 0.9 for shape in shapes]
        gradients.append(
            [
                size * generator.normal(size=size.shape) * now
                for size, now in zip(own, there, strict=True)
            ]
        )
    return Problem(weights, gradients)
