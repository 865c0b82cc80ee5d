"""Pooling: every option with every other one, on inputs of one, two and three axes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual

from .case import Case, over, plain, written
from .draws import Draw, Generator, inside, normal

SIZES = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}
KINDS = {
    name: {axes: getattr(manual, f"{name}{axes}d") for axes in SIZES}
    for name in ("MaxPool", "AvgPool", "LPPool", "MaxUnpool", "AdaptiveAvgPool", "AdaptiveMaxPool")
}


def pool(made: Any, shape: tuple[int, ...], **options: Any) -> Case:
    name = f"{made.__name__}{written(options)}-{'x'.join(map(str, shape))}"
    return Case(name, plain(made, **options), normal(shape))


def largest(axes: int) -> Iterator[Case]:
    made, shape = KINDS["MaxPool"][axes], (2, 3, *SIZES[axes])
    for options in over(kernel_size=(2, 3), stride=(None, 1, 2), padding=(0, 1)):
        yield pool(made, shape, **options)
        yield pool(made, shape, **options, ceil_mode=True)
    yield pool(made, shape, kernel_size=2, dilation=2)
    yield pool(made, shape, kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)
    yield pool(made, shape[1:], kernel_size=2, stride=1)


def means(axes: int) -> Iterator[Case]:
    made, shape = KINDS["AvgPool"][axes], (2, 3, *SIZES[axes])
    for options in over(
        kernel_size=(2, 3), stride=(None, 1, 2), padding=(0, 1), count_include_pad=(True, False)
    ):
        if options["padding"] or options["count_include_pad"]:
            yield pool(made, shape, **options)
            yield pool(made, shape, **options, ceil_mode=True)
    if axes > 1:
        yield pool(made, shape, kernel_size=2, padding=1, divisor_override=3)
    yield pool(made, shape[1:], kernel_size=2, stride=1)


def norms(axes: int) -> Iterator[Case]:
    made, shape = KINDS["LPPool"][axes], (2, 3, *SIZES[axes])
    for options in over(norm_type=(1, 2, 3.5), kernel_size=(2, 3), stride=(None, 1)):
        name = f"{made.__name__}{written(options)}"
        yield Case(name, plain(made, **options), inside(shape))
    yield pool(made, shape, norm_type=2, kernel_size=3, stride=2, ceil_mode=True)
    yield pool(made, shape[1:], norm_type=2, kernel_size=2)


def shares(axes: int) -> Iterator[Case]:
    shape = (2, 3, *SIZES[axes])
    for kind in ("AdaptiveAvgPool", "AdaptiveMaxPool"):
        made = KINDS[kind][axes]
        for size in (1, 2, 4, 7):
            yield pool(made, shape, output_size=size)
        if axes > 1:
            yield pool(made, shape, output_size=(None, *range(3, 2 + axes)))
        yield pool(made, shape[1:], output_size=3)


def taken_from(axes: int, size: int, kept: int) -> Draw:
    """So many numbers of each axis, with places of their own among size^axes."""

    def draw(g: Generator) -> tuple[Any, ...]:
        shape = (2, 3, *(kept,) * axes)
        places = [g.permutation(size**axes)[: kept**axes] for _ in range(6)]
        return g.normal(size=shape), np.stack(places).reshape(shape)

    return draw


def unpooling(axes: int) -> Iterator[Case]:
    made = KINDS["MaxUnpool"][axes]
    yield Case(f"{made.__name__}-2", plain(made, 2), taken_from(axes, 6, 3))
    yield Case(f"{made.__name__}-3-2", plain(made, 3, 2), taken_from(axes, 7, 3))
    yield Case(f"{made.__name__}-3-2-1", plain(made, 3, 2, 1), taken_from(axes, 5, 3))


POOLING = [
    case
    for axes in SIZES
    for kind in (largest, means, norms, shares, unpooling)
    for case in kind(axes)
]
