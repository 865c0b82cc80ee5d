"""The one table of parity cases: every check in this directory runs over all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import manual
from manual.worked_example import INPUTS, TARGETS, ArticleNetwork, SharedBias

Generator = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A module, and inputs to run it on.

    Args:
        name: unique; begins with the class it is a case of.
        make: from a dtype and a generator to the module.
        draw: from a generator to its inputs; floating ones are cast to the dtype under test.
    """

    name: str
    make: Callable[[Any, Generator], manual.Module]
    draw: Callable[[Generator], tuple[Any, ...]]

    def build(self, dtype: Any, seed: int = 0) -> tuple[manual.Module, tuple[Any, ...]]:
        """The module and its inputs in this dtype, the same numbers every time."""
        generator = np.random.default_rng(seed)
        module = self.make(np.dtype(dtype), generator)
        return module, tuple(cast(x, dtype) for x in self.draw(generator))

    def upstream(self, outputs: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
        """Random, non-uniform gradients for these outputs: all ones would hide mistakes."""
        generator = np.random.default_rng(1)
        return tuple(cast(np.array(generator.normal(size=np.shape(o))), dtype) for o in outputs)


def cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def normal(*shape: int, scale: float = 1.0) -> Callable[[Generator], tuple[Any, ...]]:
    """One input of this shape."""
    return lambda generator: (generator.normal(size=shape) * scale,)


def two(*shape: int) -> Callable[[Generator], tuple[Any, ...]]:
    """A prediction and a target of this shape."""
    return lambda generator: (generator.normal(size=shape), generator.normal(size=shape))


def classes(n: int, c: int, scale: float = 1.0) -> Callable[[Generator], tuple[Any, ...]]:
    """Logits (n, c) and integer classes (n,)."""
    return lambda g: (g.normal(size=(n, c)) * scale, g.integers(0, c, size=n))


def plain(made: type[manual.Module]) -> Callable[[Any, Generator], manual.Module]:
    return lambda dtype, generator: made()


CASES = [
    Case("Linear", lambda d, g: manual.Linear(3, 4, dtype=d, generator=g), normal(5, 3)),
    Case(
        "Linear-no-bias",
        lambda d, g: manual.Linear(3, 4, bias=False, dtype=d, generator=g),
        normal(5, 3),
    ),
    Case("Linear-square", lambda d, g: manual.Linear(4, 4, dtype=d, generator=g), normal(5, 4)),
    Case("Linear-axes", lambda d, g: manual.Linear(3, 4, dtype=d, generator=g), normal(2, 5, 3)),
    Case("Linear-unbatched", lambda d, g: manual.Linear(3, 4, dtype=d, generator=g), normal(3)),
    Case("Linear-empty", lambda d, g: manual.Linear(3, 4, dtype=d, generator=g), normal(0, 3)),
    Case("Identity", plain(manual.Identity), normal(5, 3)),
    Case("Flatten", plain(manual.Flatten), normal(2, 3, 4, 5)),
    Case("Flatten-middle", lambda d, g: manual.Flatten(1, 2), normal(2, 3, 4, 5)),
    *(
        Case(f"{activation.__name__}{suffix}", plain(activation), normal(*shape, scale=scale))
        for activation in (manual.Sigmoid, manual.Tanh, manual.ReLU)
        for suffix, shape, scale in (("", (5, 3), 2.0), ("-unbatched", (7,), 2.0))
    ),
    Case("HalfSquaredError", plain(manual.HalfSquaredError), two(5, 3)),
    *(
        Case(
            f"{loss.__name__}-{reduction}",
            lambda d, g, loss=loss, reduction=reduction: loss(reduction=reduction),
            draw,
        )
        for loss, draw in (
            (manual.MSELoss, two(5, 3)),
            (manual.CrossEntropyLoss, classes(5, 3)),
        )
        for reduction in ("mean", "sum", "none")
    ),
    Case("CrossEntropyLoss-huge", plain(manual.CrossEntropyLoss), classes(6, 4, scale=1e4)),
    Case(
        "Sequential",
        lambda d, g: manual.Sequential(
            manual.Linear(3, 4, dtype=d, generator=g),
            manual.Tanh(),
            manual.Linear(4, 2, dtype=d, generator=g),
        ),
        normal(5, 3),
    ),
    *(
        Case(
            f"MLP-{activation}",
            lambda d, g, a=activation: manual.MLP((3, 4, 2), a, dtype=d, generator=g),
            normal(5, 3),
        )
        for activation in ("Identity", "ReLU", "Sigmoid", "Tanh")
    ),
    Case("SharedBias", lambda d, g: SharedBias(d), normal(5, 3)),
    *(
        Case(
            f"ArticleNetwork-{biases}",
            lambda d, g, b=biases: ArticleNetwork(biases=b, dtype=d),
            lambda g: (np.array([INPUTS, TARGETS]),),
        )
        for biases in ("fixed", "trained", "shared")
    ),
]
