"""Activations, elementwise ones and those that share out an axis: a line for each.

An elementwise one is run on inputs of every shape, on large ones, and on its own kinks.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual

from .case import Case, plain, typed, written
from .draws import exactly_these, normal

KINKS = np.array(
    [-20.0, -6.0, -3.0, -2.0, -1.0, -0.75, -0.5, -0.25, 0.0, 0.5, 0.75, 1.0, 2.0, 3.0, 6.0, 20.0]
)
ELEMENTWISE: dict[Any, list[dict[str, Any]]] = {
    manual.ReLU: [{}],
    manual.ReLU6: [{}],
    manual.Hardtanh: [{}, {"min_val": -2.0, "max_val": 0.5}],
    manual.LeakyReLU: [{}, {"negative_slope": 0.3}],
    manual.ELU: [{}, {"alpha": 0.7}],
    manual.CELU: [{}, {"alpha": 0.7}],
    manual.SELU: [{}],
    manual.GELU: [{}, {"approximate": "tanh"}],
    manual.SiLU: [{}],
    manual.Mish: [{}],
    manual.Sigmoid: [{}],
    manual.LogSigmoid: [{}],
    manual.Tanh: [{}],
    manual.Tanhshrink: [{}],
    manual.Softplus: [{}, {"beta": 2.5}, {"threshold": 1.0}],
    manual.Softsign: [{}],
    manual.Hardsigmoid: [{}],
    manual.Hardswish: [{}],
    manual.Hardshrink: [{}, {"lambd": 0.75}],
    manual.Softshrink: [{}, {"lambd": 0.75}],
    manual.Threshold: [{"threshold": 0.5, "value": -2.0}],
}
PYTORCH_IS_OFF = {
    "Hardsigmoid": "its backward has 1/6 in float32",
    "CELU-alpha=0.7": "its backward has 1/alpha in float32",
}
SHAPES = {"": (5, 3), "-unbatched": (7,), "-axes": (2, 3, 4, 2), "-single": (1, 4)}


def elementwise() -> Iterator[Case]:
    for made, variants in ELEMENTWISE.items():
        for options in variants:
            name, recipe = made.__name__ + written(options), plain(made, **options)
            off = PYTORCH_IS_OFF.get(name, "")
            for suffix, shape in SHAPES.items():
                yield Case(name + suffix, recipe, normal(shape, scale=2.0), pytorch_is_off=off)
            yield Case(f"{name}-wide", recipe, normal((9, 7), scale=30.0), pytorch_is_off=off)
            yield Case(
                f"{name}-kinks", recipe, exactly_these(KINKS), smooth=False, pytorch_is_off=off
            )


def prelu(channels: int, *shape: int) -> Case:
    name = f"PReLU-{channels}-{len(shape)}axes"
    return Case(name, typed(manual.PReLU, channels), normal(shape))


def along_an_axis(made: Any) -> Iterator[Case]:
    """On every axis of several shapes."""
    name = made.__name__
    for shape in ((5,), (5, 3), (2, 3, 4)):
        for dim in range(-len(shape), len(shape)):
            draw = normal(shape, scale=3.0)
            yield Case(f"{name}-{len(shape)}axes-dim{dim}", plain(made, dim=dim), draw)


def huge(made: Any, proves: bool) -> Case:
    """Scores that only the largest of counts."""
    draw = normal((5, 3), scale=1e4)
    return Case(f"{made.__name__}-huge", plain(made, dim=-1), draw, proves=proves)


def glu(dim: int, *shape: int) -> Case:
    return Case(f"GLU-{len(shape)}axes-dim{dim}", plain(manual.GLU, dim), normal(shape))


def softmax2d(*shape: int) -> Case:
    return Case(f"Softmax2d-{len(shape)}axes", plain(manual.Softmax2d), normal(shape))


ACTIVATIONS = [
    *elementwise(),
    prelu(1, 5, 3),
    prelu(1, 2, 3, 4),
    prelu(1, 2, 3, 4, 2),
    prelu(3, 5, 3),
    prelu(3, 2, 3, 4),
    prelu(3, 2, 3, 4, 2),
    Case("PReLU-unbatched", typed(manual.PReLU, init=0.4), normal((7,))),
    *along_an_axis(manual.Softmax),
    huge(manual.Softmax, proves=False),
    *along_an_axis(manual.Softmin),
    huge(manual.Softmin, proves=False),
    *along_an_axis(manual.LogSoftmax),
    huge(manual.LogSoftmax, proves=True),
    softmax2d(3, 4, 2),
    softmax2d(2, 3, 4, 2),
    glu(-1, 5, 6),
    glu(0, 4, 3),
    glu(1, 2, 6, 3),
    glu(-2, 2, 4, 3),
    glu(-1, 8),
]
