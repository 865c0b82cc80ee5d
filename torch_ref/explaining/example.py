"""The example of a class on both sides: by hand and by autograd."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual import Module
from manual.arrays import is_floating

from ..parity.distance import measure
from ..parity.one_pass import Passed, flat, one_pass
from ..parity.tolerance import EPS
from ..twin import to_numpy, twin_of
from .examples import EXAMPLES


@dataclass(frozen=True)
class Both:
    """One number of both sides.

    Attributes:
        mine, theirs: by hand and by autograd.
        allowed: how far rounding may take another computation from it.
    """

    mine: float
    theirs: float
    allowed: float


@dataclass(frozen=True)
class Run:
    """A module's forward and backward pass on both sides.

    Attributes:
        inputs: counted through.
        upstream: the gradient of each output.
    """

    module: Module
    inputs: list[np.ndarray]
    upstream: list[np.ndarray]
    mine: Passed
    theirs: Passed

    def both(self, kind: str, name: str, index: tuple[int, ...] = ()) -> Both:
        """One element of a quantity, named as in one_pass.py."""
        mine = np.asarray(self.mine.quantities[kind, name])
        theirs = np.asarray(to_numpy(self.theirs.quantities[kind, name]))
        row = measure(kind, name, mine, theirs, self.mine.allowed(kind, name))
        allowed = row.tolerance * EPS[mine.dtype] * (row.scale or 1.0)
        return Both(float(mine[index]), float(theirs[index]), allowed)

    def output(self, index: tuple[int, ...], which: int = 0) -> Both:
        return self.both("output", str(which), index)

    def gradient(self, name: str, index: tuple[int, ...] = ()) -> Both:
        return self.both("gradient", name, index)


def run_of(module: Module, inputs: Sequence[Any], upstream: Any) -> Run:
    """A copy of the module and its twin on these inputs.

    Args:
        upstream: the gradient of each output, or a function that makes them from the outputs.
    """
    module = copy.deepcopy(module)
    twin = twin_of(module)
    mine = one_pass(module, inputs, upstream)
    theirs = one_pass(twin, inputs, mine.upstream)
    return Run(module, flat(inputs), mine.upstream, mine, theirs)


def run_example(cls: type) -> Run:
    """The example of a class, its weights and upstream gradients drawn with one decimal."""
    example = EXAMPLES[cls]
    generator = np.random.default_rng(1)  # 0 would draw the inputs once more

    def in_dtype(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(in_dtype, value))
        return value.astype(example.dtype) if is_floating(value) else value

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        numbers = generator.normal(size=shape).round(1) + 0.0  # no −0
        return np.asarray(numbers, example.dtype)

    module = example.make(generator).to(example.dtype)
    for parameter in module.parameters():
        parameter.data = drawn(parameter.shape)
    return run_of(
        module, in_dtype(example.inputs), lambda outputs: [drawn(np.shape(y)) for y in outputs]
    )
