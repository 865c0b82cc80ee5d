"""Convolutions: every option with every other one, on inputs of one, two and three axes."""

from collections.abc import Iterator
from typing import Any

import manual

from .case import Case, over, typed, written
from .draws import normal

CONV = {1: manual.Conv1d, 2: manual.Conv2d, 3: manual.Conv3d}
TRANSPOSED = {1: manual.ConvTranspose1d, 2: manual.ConvTranspose2d, 3: manual.ConvTranspose3d}
SIZES = {1: (7,), 2: (6, 5), 3: (4, 5, 3)}


def conv(axes: int, *shape: int, channels: tuple[int, int] = (4, 6), **options: Any) -> Case:
    """On an input of this shape."""
    made = CONV[axes]
    name = f"{made.__name__}{written(options)}-{'x'.join(map(str, shape))}"
    return Case(name, typed(made, *channels, **options), normal(shape))


def each_option(axes: int) -> Iterator[Case]:
    shape = (3, 4, *SIZES[axes])
    for options in over(kernel_size=(1, 3), stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
        if options["dilation"] == 1 or options["padding"] or axes == 1:
            yield conv(axes, *shape, **options)
    for options in over(kernel_size=(2,), stride=(1, 3), groups=(2,), bias=(True, False)):
        yield conv(axes, *shape, **options)
    for mode in ("reflect", "replicate", "circular"):
        yield conv(axes, *shape, kernel_size=3, padding=2, padding_mode=mode)
        yield conv(axes, *shape, kernel_size=3, padding="same", padding_mode=mode, groups=2)
    yield conv(axes, *shape, kernel_size=3, padding="same", dilation=2)
    yield conv(axes, *shape, kernel_size=2, padding="valid")
    yield conv(axes, *shape, kernel_size=2, stride=3)  # stride over kernel
    yield conv(axes, *shape, kernel_size=3, groups=4, channels=(4, 8))  # depthwise
    yield conv(axes, *shape[1:], kernel_size=3, padding=1)  # unbatched
    yield conv(axes, 2, 4, *(2,) * axes, kernel_size=3, padding=1)  # over the unpadded input
    yield conv(axes, 2, 4, *(3,) * axes, kernel_size=3)  # an output of size one
    yield conv(axes, 1, 1, *SIZES[axes], kernel_size=3, channels=(1, 1))


def transposed(axes: int, *shape: int, channels: tuple[int, int] = (4, 6), **options: Any) -> Case:
    made = TRANSPOSED[axes]
    name = f"{made.__name__}{written(options)}-{'x'.join(map(str, shape))}"
    return Case(name, typed(made, *channels, **options), normal(shape))


def each_transposed(axes: int) -> Iterator[Case]:
    shape = (3, 4, *(4, 3, 3)[:axes])
    for options in over(kernel_size=(1, 3), stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
        if options["kernel_size"] == 3:
            yield transposed(axes, *shape, **options)
    for options in over(kernel_size=(2,), stride=(1, 3), groups=(2,), bias=(True, False)):
        yield transposed(axes, *shape, **options)
    yield transposed(axes, *shape, kernel_size=1, stride=2)
    yield transposed(axes, *shape, kernel_size=3, stride=2, padding=1, output_padding=1)
    yield transposed(axes, *shape, kernel_size=2, stride=1, dilation=3, output_padding=2)
    yield transposed(axes, *shape, kernel_size=3, groups=4, channels=(4, 8))
    yield transposed(axes, *shape[1:], kernel_size=3, stride=2)


CONVOLUTIONS = [
    *(case for axes in (1, 2, 3) for case in each_option(axes)),
    *(case for axes in (1, 2, 3) for case in each_transposed(axes)),
    conv(2, 2, 4, 6, 7, kernel_size=(3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2)),
    conv(3, 2, 4, 4, 5, 6, kernel_size=(1, 3, 2), stride=(1, 2, 3), padding=(0, 1, 1)),
    transposed(2, 2, 4, 3, 4, kernel_size=(3, 2), stride=(2, 3), output_padding=(1, 2)),
]
