"""How a layer's numbers start."""

import numpy as np

from .module import Array, Parameter


def random(shape: tuple[int, ...], dtype: np.dtype, generator: np.random.Generator | None) -> Array:
    """Uniform in [0, 1). Without a generator, drawn from the operating system's entropy."""
    generator = np.random.default_rng() if generator is None else generator
    drawn = np.float32 if dtype == np.float32 else np.float64
    return generator.random(shape, dtype=drawn).astype(dtype, copy=False)


def uniform_(
    parameter: Parameter, a: float, b: float, generator: np.random.Generator | None = None
) -> None:
    """Fill with draws from the uniform distribution over [a, b)."""
    dtype = parameter.data.dtype
    parameter.data = random(parameter.shape, dtype, generator) * dtype.type(b - a) + dtype.type(a)
