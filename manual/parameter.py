"""A trainable array and its gradient."""

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array, cure, float_dtype, plain_array


class Parameter:
    """A trainable array `data`, and in `grad` the gradient of the loss with respect to it.

    `grad` is None until a backward pass reaches the parameter, and again after `zero_grad`.
    An optimizer moves the parameters it is given into one flat array, of which `data` and `grad`
    are views from then on; assigning to either therefore copies the values in. An array that was
    taken from either before that, or before `cast`, keeps the values of then: take it anew.

    Args:
        data: its first values, copied; float32, float64 or longdouble.
        requires_grad: with False the parameter is held fixed: backward adds nothing to it.
    """

    __slots__ = ("_data", "_grad", "_has_grad", "requires_grad")
    __array_ufunc__ = None  # an array and a parameter give no array of objects

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self._data: Array = plain_array("data", data)
        float_dtype(self._data.dtype)
        self._grad: Array | None = None  # its storage, which outlives zero_grad
        self._has_grad = False
        self.requires_grad = requires_grad

    @property
    def data(self) -> Array:
        return self._data

    @data.setter
    def data(self, values: Array) -> None:
        self._check("data", values)
        self._data[...] = values

    @property
    def grad(self) -> Array | None:
        return self._grad if self._has_grad else None

    @grad.setter
    def grad(self, values: Array | None) -> None:
        if values is None:
            self._has_grad = False
            return
        self._check("grad", values)
        if self._grad is None:
            self._grad = np.empty_like(self._data)
        self._grad[...] = values
        self._has_grad = True

    if not TYPE_CHECKING:  # which is to find what is not there by itself

        def __getattr__(self, name):
            raise AttributeError(f"a Parameter has no {name}: its numbers are in .data and .grad")

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad`."""
        self.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient, or set it to zero if there is one."""
        if set_to_none:
            self._has_grad = False
        elif self._grad is not None:
            self._grad[...] = 0

    def accumulate(self, gradient: Array) -> None:
        """grad += gradient. A parameter that was used several times gets the sum of its uses."""
        if not self.requires_grad:
            return
        total = self.grad
        if total is None:
            self.grad = gradient
        else:
            self._check("gradient", gradient)
            np.add(total, gradient, out=total)

    def accumulate_product(self, a: Array, b: Array) -> None:
        """grad += a b, of two matrices: the first one is written where it belongs at once."""
        if not self.requires_grad:
            return
        own = self._data.dtype
        if self._has_grad or a.dtype is not own or b.dtype is not own:
            self.accumulate(a @ b)
            return
        if self._grad is None:
            self._grad = np.empty_like(self._data)
        np.matmul(a, b, out=self._grad)
        self._has_grad = True

    def move_to(self, data: Array, grad: Array) -> None:
        """Live in these arrays from now on, taking the present values along."""
        data[...] = self._data
        if self._has_grad:
            grad[...] = self._grad
        self._data, self._grad = data, grad

    def cast(self, dtype: DTypeLike) -> None:
        """Hold the values, and the gradient, in another dtype from now on."""
        self._data = self._data.astype(dtype)
        self._grad = self._grad.astype(dtype) if self._grad is not None and self._has_grad else None

    def _check(self, name: str, values: Array) -> None:
        # NumPy would broadcast and cast to float32 without a word; a wrong gradient must not pass.
        fits = type(values) is np.ndarray and values.shape == self._data.shape
        if fits and values.dtype is self._data.dtype:
            return
        if np.shape(values) != self._data.shape:
            raise ValueError(
                f"{name} of shape {np.shape(values)} for a parameter of shape {self._data.shape}"
            )
        dtype = getattr(values, "dtype", type(values).__name__)
        if dtype != self._data.dtype:
            raise TypeError(
                f"{name} in {dtype} for a parameter in {self._data.dtype}"
                + cure(name, dtype, self._data.dtype)
            )

    def __repr__(self) -> str:
        fixed = "" if self.requires_grad else ", requires_grad=False"
        return f"Parameter({self._data!r}{fixed})"
