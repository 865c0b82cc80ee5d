"""Normalizations, on inputs of every number of axes; in training and in evaluation."""

from collections.abc import Iterator
from typing import Any

import manual

from .case import Case, Recipe, over, plain, written
from .draws import normal

SHAPES = {0: (5, 3), 1: (5, 3, 4), 2: (3, 3, 4, 5), 3: (2, 3, 2, 4, 5)}
LAST = {
    0: (5, 6),
    1: (5, 3, 4),
    2: (3, 3, 4, 5),
    3: (2, 3, 2, 4, 5),
}
BATCH = {
    0: manual.BatchNorm1d,
    1: manual.BatchNorm1d,
    2: manual.BatchNorm2d,
    3: manual.BatchNorm3d,
}
INSTANCE = {1: manual.InstanceNorm1d, 2: manual.InstanceNorm2d, 3: manual.InstanceNorm3d}


def of_channels(made: Any, shape: tuple[int, ...], **options: Any) -> Iterator[Case]:
    """In training and in evaluation."""
    name = f"{made.__name__}{written(options)}-{len(shape)}axes"
    for training, mode in ((True, ""), (False, "-eval")):
        recipe = Recipe(made, (3,), options, typed=True, training=training)
        yield Case(f"{name}{mode}", recipe, normal(shape, scale=2.0))


def batch_and_instance() -> Iterator[Case]:
    for axes, shape in SHAPES.items():
        for options in over(affine=(True, False), track_running_stats=(True, False)):
            yield from of_channels(BATCH[axes], shape, **options)
            if axes in INSTANCE:
                yield from of_channels(INSTANCE[axes], shape, **options)
        yield from of_channels(BATCH[axes], shape, eps=0.1, momentum=None, bias=False)
        if axes in INSTANCE:
            yield from of_channels(INSTANCE[axes], shape[1:], affine=True, eps=0.1)


def over_last(made: Any, *normalized: int, shape: tuple[int, ...], **options: Any) -> Case:
    axes = "x".join(map(str, normalized))
    name = f"{made.__name__}-{axes}{written(options)}-{len(shape)}axes"
    return Case(name, Recipe(made, (normalized,), options, typed=True), normal(shape))


def group(groups: int, *shape: int, **options: Any) -> Case:
    name = f"GroupNorm-{groups}{written(options)}-{len(shape)}axes"
    recipe = Recipe(manual.GroupNorm, (groups, shape[1]), options, typed=True)
    return Case(name, recipe, normal(shape))


def response(size: int, *shape: int) -> Case:
    recipe = plain(manual.LocalResponseNorm, size, alpha=0.3, beta=0.6, k=1.5)
    return Case(f"LocalResponseNorm-{size}-{len(shape)}axes", recipe, normal(shape))


NORMALIZATIONS = [
    *batch_and_instance(),
    *(
        over_last(manual.LayerNorm, *shape[-last:], shape=shape, **options)
        for shape in LAST.values()
        for last in range(1, len(shape))
        for options in ({}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False})
    ),
    *(
        over_last(manual.RMSNorm, *shape[-last:], shape=shape, **options)
        for shape in LAST.values()
        for last in range(1, len(shape))
        for options in ({}, {"eps": 0.1}, {"elementwise_affine": False})
    ),
    over_last(manual.LayerNorm, 7, shape=(7,)),
    over_last(manual.RMSNorm, 7, shape=(7,)),
    *(
        group(groups, 3, 12, *spatial, **options)
        for spatial in ((), (4,), (4, 3), (2, 3, 4))
        for groups in (1, 2, 3)
        for options in ({}, {"affine": False}, {"eps": 0.1, "bias": False})
    ),
    group(6, 3, 6, 4, 3),
    *(
        response(size, 2, 7, *spatial)
        for spatial in ((4,), (3, 2), (2, 3, 2))
        for size in (1, 2, 3, 5)
    ),
    response(10, 2, 3, 4),  # reaches beyond all channels
]
