"""Random numbers: PyTorch's own stream, and where others come from.

Sources: Matsumoto & Nishimura, 1998 (the Mersenne Twister); Box & Muller, 1958.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array

Generator = np.random.Generator
BLOCK = 16  # so many normal numbers PyTorch draws at a time; fewer in all it draws one by one


class TorchGenerator(np.random.Generator):
    """PyTorch's CPU generator: `torch.manual_seed(seed)` and this draw the same numbers.

    It is a Mersenne Twister. A float32 is the low 24 bits of one 32-bit draw times 2⁻²⁴, a float64
    the low 53 bits of two draws, the first one high, times 2⁻⁵³. Uniform numbers are the same to
    the last bit. Normal ones come by Box and Muller's transform from the same uniform numbers in
    the same order, through another library's logarithm and cosine: now and then the last bit
    differs, and in float32 arrays of 16 and more, for which PyTorch has approximations of its own,
    the last digit.

    Args:
        seed: as for torch.manual_seed, of which the low 32 bits count.
    """

    def __init__(self, seed: int) -> None:
        twister = np.random.MT19937()
        seeded: Any = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=False)
        twister.state = seeded
        super().__init__(twister)
        self._second: float | None = None  # Box and Muller make two normal numbers at a time

    def __reduce__(self) -> Any:  # for copy and pickle
        return _restore, (self.bit_generator.state, self._second)

    def random(  # type: ignore[override]
        self, size: Any = None, dtype: DTypeLike = np.float64
    ) -> Any:
        """Uniform numbers in [0, 1), of shape `size`."""
        shape = () if size is None else tuple(np.atleast_1d(size))
        count = math.prod(shape)
        if np.dtype(dtype) == np.float32:
            bits = self.bit_generator.random_raw(count) & (2**24 - 1)
            drawn = bits.astype(np.float32) * np.float32(2**-24)
        else:
            high, low = self.bit_generator.random_raw(2 * count).reshape(-1, 2).T
            drawn = (((high << 32) | low) & (2**53 - 1)).astype(np.float64) * 2**-53
        return drawn.reshape(shape) if size is not None else drawn[0]

    def standard_normal(  # type: ignore[override]
        self, size: Any = None, dtype: DTypeLike = np.float64
    ) -> Any:
        """Normal numbers with mean 0 and variance 1, of shape `size`."""
        shape = () if size is None else tuple(np.atleast_1d(size))
        count = math.prod(shape)
        if count < BLOCK:
            drawn = np.array([self._normal() for _ in range(count)], dtype)
        else:
            drawn = self.random(count, dtype)
            for start in range(0, count - BLOCK + 1, BLOCK):
                _box_muller(drawn[start : start + BLOCK])
            if count % BLOCK:  # the last ones once more, so that they too are a whole block
                drawn[-BLOCK:] = self.random(BLOCK, dtype)
                _box_muller(drawn[-BLOCK:])
        return drawn.reshape(shape) if size is not None else drawn[0]

    def _normal(self) -> float:
        """One normal number, in double precision."""
        if self._second is not None:
            drawn, self._second = self._second, None
            return drawn
        u1, u2 = self.random(2)
        radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        self._second = radius * math.sin(angle)
        return radius * math.cos(angle)


def _restore(state: Any, second: float | None) -> TorchGenerator:
    generator = TorchGenerator(0)
    generator.bit_generator.state, generator._second = state, second
    return generator


def _box_muller(block: Array) -> None:
    """A block of uniform numbers becomes one of normal numbers, in place."""
    half = BLOCK // 2
    radius = np.sqrt(-2 * np.log(1 - block[:half]))
    angle = block.dtype.type(2 * math.pi) * block[half:]
    block[:half], block[half:] = radius * np.cos(angle), radius * np.sin(angle)


def given_or_new(generator: Generator | None) -> Generator:
    """The generator, or where none was handed in one that starts from the system's entropy."""
    return np.random.default_rng() if generator is None else generator


def random(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> Array:
    """Uniform numbers in [0, 1)."""
    return np.asarray(given_or_new(generator).random(shape, dtype=_drawable(dtype))).astype(
        dtype, copy=False
    )


def _drawable(dtype: np.dtype) -> type:
    return np.float32 if dtype == np.float32 else np.float64


def fused(u: Array, scale: Any, shift: Any) -> Array:
    """u · scale + shift, rounded once at the end as a processor's fused multiply-add does.

    PyTorch does the same on a processor with AVX2; on one without it rounds the product too, and
    every other weight differs in its last bit. float32 is computed in float64, which holds the
    product exactly; float64 in pairs of numbers whose sum is exact.
    Source: Dekker, 1971 (product); Knuth, 1969 (sum).
    """
    if u.dtype == np.float32:
        return (u.astype(np.float64) * scale + shift).astype(np.float32)
    if u.dtype != np.float64 or abs(scale) > 1e290:  # whose halves would overflow
        return u * scale + shift

    def halves(x: Any) -> tuple[Any, Any]:
        high = x * 134217729.0  # 2²⁷ + 1
        high = high - (high - x)
        return high, x - high

    product = u * scale
    (u_high, u_low), (s_high, s_low) = halves(u), halves(scale)
    lost = ((u_high * s_high - product) + u_high * s_low + u_low * s_high) + u_low * s_low
    total = product + shift
    back = total - product
    return total + (((product - (total - back)) + (shift - back)) + lost)
