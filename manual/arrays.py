"""What an array may be here: plain, and floating in one of three dtypes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.longdouble))


BLOCK = 2**15  # numbers, of which several arrays stay in the processor's cache

# Linux's C library hands freed memory back, and asks for the same again, page by page: a fifth of a
# network's step. It keeps blocks up to the largest that it has seen freed: this one, never touched.
np.empty(31 * 2**20, np.uint8)


def float_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    """`dtype` as NumPy's, float32 (PyTorch's default) for None.

    Raises:
        TypeError: it is none of float32, float64 and longdouble.
    """
    try:
        resolved = np.dtype(np.float32 if dtype is None else dtype)
        if resolved in FLOATS:
            return resolved
    except TypeError:  # a device, or a dtype of PyTorch's
        pass
    shown = getattr(dtype, "__name__", dtype)
    raise TypeError(
        f"dtype is {shown}, expected float32, float64 or longdouble, as in dtype=np.float64"
    )


def cure(name: str, got: Any, wanted: DTypeLike) -> str:
    """The end of a message about an array in the wrong dtype: how it, or the network, is made fit.

    Args:
        name: the array's.
        got, wanted: dtypes; what was got need not be one of those that there are here.
    """
    kinds = {"float32": "float()", "float64": "double()"}
    text = f": take {name}.astype(np.{np.dtype(wanted).name})"
    if str(got) in kinds and np.dtype(wanted) in FLOATS:
        text += f", or make the network {got}, by dtype=np.{got} or network.{kinds[str(got)]}"
    return text


def as_tuple(value: Any) -> tuple[Any, ...]:
    """What a forward or backward returned, as a tuple: a single array becomes a tuple of one."""
    return value if isinstance(value, tuple) else (value,)


def is_plain_array(value: Any) -> bool:
    """Whether it is a NumPy array or number, and no subclass, whose operators mean other things."""
    return type(value) is np.ndarray or isinstance(value, np.generic)


def is_floating(value: Any) -> bool:
    """Whether it is an array, or a number of NumPy's, in one of the three dtypes."""
    return isinstance(value, np.ndarray | np.generic) and value.dtype in FLOATS


def plain_array(name: str, values: Any) -> Array:
    """A copy as a plain array.

    Raises:
        TypeError: it is a matrix, a masked array or another subclass, which means more than that.
    """
    if isinstance(values, np.ndarray) and not is_plain_array(values):
        raise TypeError(f"{name} is a {type(values).__name__}, expected a plain NumPy array")
    return np.array(np.asarray(values))


def summed_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of what was broadcast from `shape`: each number was used many times, so sum.

    The gradient itself, if nothing was broadcast.
    """
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True)


def in_blocks(*arrays: Array) -> Iterator[list[Array]]:
    """Contiguous arrays of one size, cut into parts: to go over a part several times is faster."""
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield [array[start : start + BLOCK] for array in flat]
