"""Borders, rearrangements and images of another size: a line for each way in which one is made."""

from collections.abc import Iterator
from typing import Any

import manual

from .case import Case, plain, written
from .draws import normal

SIZES = {1: (5,), 2: (5, 4), 3: (3, 5, 4)}


def border(kind: str, axes: int, padding: Any, *value: float) -> Iterator[Case]:
    """With samples and without."""
    made = getattr(manual, f"{kind}Pad{axes}d")
    recipe = plain(made, padding, *value)
    for batched in (True, False):
        shape = ((2,) if batched else ()) + (3, *SIZES[axes])
        name = f"{made.__name__}-{padding}-{len(shape)}axes".replace(" ", "")
        yield Case(name, recipe, normal(shape))


def borders() -> Iterator[Case]:
    for axes in SIZES:
        uneven = (2, 1, 0, 2, 1, 2)[: 2 * axes]
        for padding in (1, uneven):
            yield from border("Constant", axes, padding, 1.5)
            for kind in ("Zero", "Reflection", "Replication", "Circular"):
                yield from border(kind, axes, padding)
        cut = (-1, 2, 1, -2, 0, -1)[: 2 * axes]
        for kind in ("Zero", "Reflection", "Replication"):
            yield from border(kind, axes, cut)


def windows(**options: Any) -> Iterator[Case]:
    """Unfold, and Fold of what it gives."""
    unfold = manual.Unfold(**options)
    height, width = unfold.places((6, 5))
    numbers = 3 * unfold._kernel[0] * unfold._kernel[1]
    name, fold = written(options), plain(manual.Fold, (6, 5), **options)
    yield Case(f"Unfold{name}", plain(manual.Unfold, **options), normal((2, 3, 6, 5)))
    yield Case(f"Fold{name}", fold, normal((2, numbers, height * width)))


def upsampled(mode: str, axes: int, **options: Any) -> Case:
    name = f"Upsample-{mode}{written(options)}-{axes}"
    recipe = plain(manual.Upsample, mode=mode, **options)
    return Case(name, recipe, normal((2, 3, *SIZES[axes])))


def sizes() -> Iterator[Case]:
    for axes, mode in ((1, "linear"), (2, "bilinear"), (3, "trilinear"), (2, "bicubic")):
        for align_corners in (True, False):
            yield upsampled(mode, axes, size=7, align_corners=align_corners)
            yield upsampled(mode, axes, size=3, align_corners=align_corners)
            yield upsampled(mode, axes, scale_factor=2.0, align_corners=align_corners)
            yield upsampled(mode, axes, scale_factor=1.7, align_corners=align_corners)
        yield upsampled(mode, axes, scale_factor=1.7, recompute_scale_factor=True)
        yield upsampled(mode, axes, size=1, align_corners=True)
    for axes in SIZES:
        for mode in ("nearest", "nearest-exact"):
            yield upsampled(mode, axes, size=7)
            yield upsampled(mode, axes, scale_factor=(2.0, 1.5, 3.0)[:axes])


IMAGES = [
    *borders(),
    *border("Zero", 1, (1, 0)),
    *border("Circular", 1, (1, 0)),
    *windows(kernel_size=1),
    *windows(kernel_size=2),
    *windows(kernel_size=(3, 2), stride=2),
    *windows(kernel_size=2, dilation=2, padding=1),
    *windows(kernel_size=3, stride=(1, 2), padding=(0, 1)),
    Case("Unfold-unbatched", plain(manual.Unfold, 2), normal((3, 4, 5))),
    Case("Fold-unbatched", plain(manual.Fold, (4, 5), 2), normal((12, 12))),
    Case("PixelShuffle-1", plain(manual.PixelShuffle, 1), normal((2, 6, 3, 4))),
    Case("PixelShuffle-2", plain(manual.PixelShuffle, 2), normal((2, 12, 3, 4))),
    Case("PixelShuffle-3-unbatched", plain(manual.PixelShuffle, 3), normal((18, 2, 4))),
    Case("PixelUnshuffle-2", plain(manual.PixelUnshuffle, 2), normal((2, 3, 6, 4))),
    Case("PixelUnshuffle-3-unbatched", plain(manual.PixelUnshuffle, 3), normal((2, 6, 3))),
    Case("ChannelShuffle-2", plain(manual.ChannelShuffle, 2), normal((2, 6, 3, 4))),
    Case("ChannelShuffle-3", plain(manual.ChannelShuffle, 3), normal((2, 6, 4))),
    *sizes(),
    Case("UpsamplingNearest2d", plain(manual.UpsamplingNearest2d, 7), normal((2, 3, 5, 4))),
    Case("UpsamplingBilinear2d", plain(manual.UpsamplingBilinear2d, 7), normal((2, 3, 5, 4))),
    *(
        Case(f"{kind.__name__}-scaled", plain(kind, scale_factor=1.7), normal((2, 3, 5, 4)))
        for kind in (manual.UpsamplingNearest2d, manual.UpsamplingBilinear2d)
    ),
]
