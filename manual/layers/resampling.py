"""Images of another size: every output is a mean of the inputs that lie near it.

Along one axis output i of m lies at the place s of the input's n, and takes from it so much:

mode           s                              weights
-----------------------------------------------------------------------------------------------
nearest        i n/m                          1 at ⌊s⌋
nearest-exact  (i + ½) n/m                    1 at ⌊s⌋
linear         (i + ½) n/m − ½, from 0 up     1 − t at ⌊s⌋ and t beside it, t = s − ⌊s⌋
cubic          (i + ½) n/m − ½                a cubic of the distance, at the four nearest
with align_corners, for the last two          s = i (n − 1)/(m − 1): the corners stay in place

So it is a matrix A along each axis, one after the other (bilinear is linear twice):
    yᵢ = Σⱼ Aᵢⱼ xⱼ
    ∂L/∂xⱼ = Σᵢ gᵢ Aᵢⱼ      chain rule: xⱼ is in every yᵢ, times Aᵢⱼ; with g = ∂L/∂y

Source: Keys, 1981 (cubic).
"""

from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module
from .windows import Sizes, along_each, check_spatial, inward, outward

AXES = {  # how many spatial axes a mode is for
    **dict.fromkeys(("nearest", "nearest-exact"), (1, 2, 3)),
    **{"linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)},
}
SHARPNESS = -0.75  # the cubic's slope at distance 1


def cubic(distance: Any) -> Any:
    """The weight of what lies so far away, 0 from a distance of 2 on."""
    d, a = abs(distance), SHARPNESS
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0 * d


def matrix(mode: str, n: int, m: int, step: Any, align_corners: bool, dtype: Any) -> Array:
    """A (m, n) of one axis.

    Places and weights are computed with digits to spare; but which input is the nearest one, in
    the dtype's own, as PyTorch does.

    Args:
        step: how far apart neighbouring outputs lie on the input's axis.
    """
    A = np.zeros((m, n), np.longdouble)
    number: Any = np.dtype(dtype).type if mode.startswith("nearest") else np.longdouble
    step = number(step)
    for i, row in enumerate(A):
        if mode.startswith("nearest"):
            place = (i + number(0.5 if mode == "nearest-exact" else 0)) * step
            row[min(int(place), n - 1)] = 1
            continue
        place = i * step if align_corners else (i + number(0.5)) * step - number(0.5)
        if mode == "bicubic":
            first = int(np.floor(place))
            for j in range(first - 1, first + 3):  # those behind the edge are the edge's
                row[min(max(j, 0), n - 1)] += cubic(place - j)
            continue
        place = max(place, number(0))
        first = int(place)  # n - 1 at most
        beside, t = min(first + 1, n - 1), place - first
        row[first] += 1 - t
        row[beside] += t
    return A.astype(dtype)


class Upsample(Module):
    """An image, sequence or volume of another size; see this file's head.

    Shapes: input (N, C, *S), output (N, C, *P).

    Args:
        size: P, a number for each axis or one for all.
        scale_factor: instead of a size, P/S, for each axis or one for all; P is rounded down.
        mode: nearest, nearest-exact, linear, bilinear, bicubic, trilinear.
        align_corners: see this file's head; None is False.
        recompute_scale_factor: take n/m from the sizes; else 1/scale_factor, where that was given.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{name}: expected either size or scale_factor")
        if mode not in AXES:
            raise ValueError(f"{name}: mode is {mode!r}, expected one of {', '.join(AXES)}")
        if align_corners is not None and mode.startswith("nearest"):
            raise ValueError(f"{name}: align_corners has no meaning for mode {mode!r}")
        if recompute_scale_factor and size is not None:
            raise ValueError(f"{name}: recompute_scale_factor has no meaning with a size")
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def each(self, what: str, value: Any, axes: int) -> tuple[Any, ...]:
        values = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
        if len(values) != axes:
            raise ValueError(f"{self!r}: {what} is {value!r}, expected a number for each axis")
        return values

    def sizes(self, spatial: Sizes) -> tuple[Sizes, tuple[Any, ...]]:
        """P, and n/m for each axis."""
        axes = len(spatial)
        if self.size is not None:
            sizes = self.each("size", self.size, axes)
            steps = tuple(n / m if m else 0 for n, m in zip(spatial, sizes, strict=True))
        else:
            factors = self.each("scale_factor", self.scale_factor, axes)
            sizes = tuple(int(np.floor(n * f)) for n, f in zip(spatial, factors, strict=True))
            steps = tuple(1 / f for f in factors)
            if self.recompute_scale_factor:
                steps = tuple(n / m if m else 0 for n, m in zip(spatial, sizes, strict=True))
        if min(sizes) < 1 or min(spatial) < 1:
            raise ValueError(f"{self!r}: from the sizes {spatial} to {sizes}")
        if self.align_corners:
            steps = tuple(
                (n - 1) / (m - 1) if m > 1 else 0 for n, m in zip(spatial, sizes, strict=True)
            )
        return sizes, steps

    def sum_lengths(self, input: Array) -> dict[str, int]:
        spatial = input.shape[2:]
        sizes, _ = self.sizes(spatial)
        taken = {"n": 1, "b": 2, "l": 2, "t": 2}[self.mode[0]]
        taken = 4 if self.mode == "bicubic" else taken
        back = [-(-m // n) * taken + 1 for n, m in zip(spatial, sizes, strict=True)]
        return {"output": taken ** len(sizes), "input": int(np.prod(back))}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        axes = x.ndim - 2
        if axes not in AXES[self.mode]:
            wanted = " or ".join(str(n + 2) for n in AXES[self.mode])
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected {wanted}")
        check_spatial(self, x, axes)
        sizes, steps = self.sizes(x.shape[2:])
        matrices = [
            matrix(self.mode, n, m, step, bool(self.align_corners), x.dtype)
            for n, m, step in zip(x.shape[2:], sizes, steps, strict=True)
        ]
        self.save_for_backward(matrices)
        return outward(along_each(matrices, inward(x, axes)), True)

    def backward(self, g: Array) -> Array:
        (matrices,) = self.take_saved(g)
        return outward(along_each([A.T for A in matrices], inward(g, g.ndim - 2)), True)


class UpsamplingNearest2d(Upsample):
    """Upsample for images, mode nearest."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample for images, mode bilinear, the corners kept in place."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
