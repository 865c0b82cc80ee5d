"""Functions of NumPy's that `torch._numpy` lacks, or that lose a gradient there."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import _numpy as tnp
from torch._numpy import _dtypes, _ndarray

from .arrays import Array, Tensor, UntraceableError, finished, in_order


def tensor_of(value: Any) -> Tensor:
    """A tensor of an array, a number, or nested lists of them, traced ones among them."""
    if isinstance(value, Array):
        return value.tensor
    if torch.is_tensor(value):
        return value
    if isinstance(value, list | tuple) and any(holds_array(part) for part in value):
        parts = [tensor_of(part) for part in value]
        dtype = parts[0].dtype
        for part in parts[1:]:
            dtype = torch.promote_types(dtype, part.dtype)
        return torch.stack([part.to(dtype) for part in parts])
    tensor: Tensor = _ndarray.asarray(np.asarray(value)).tensor
    return tensor


def function_in(module: Any, name: str) -> Any:
    return getattr(module, name)


def holds_array(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(holds_array, value))
    return isinstance(value, Array)


def real(value: Any) -> Any:
    """A constant as NumPy has it; a traced number cannot be had."""
    if isinstance(value, Array):
        if value.tensor.is_floating_point():
            raise UntraceableError("its numbers are needed")
        return np.array(value.tensor.tolist(), dtype=value.dtype.name)
    if isinstance(value, list | tuple):
        return type(value)(map(real, value))
    if isinstance(value, dict):
        return {key: real(part) for key, part in value.items()}
    return value


def standing(value: Any) -> Any:
    """What real NumPy gave, as stand-ins."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return Array(torch.from_numpy(np.array(value)))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return type(value)(map(standing, value))
    return value


def array(value: Any, dtype: Any = None, *, ndmin: int = 0, **_: Any) -> Array:
    tensor = tensor_of(value).clone()
    if dtype is not None and dtype is not object:
        tensor = tensor.to(_dtypes.dtype(dtype).torch_dtype)
    return Array(tensor.reshape([1] * max(0, ndmin - tensor.ndim) + [*tensor.shape]))


def asarray(value: Any, dtype: Any = None, **_: Any) -> Array:
    if isinstance(value, Array) and dtype is None:
        return value
    return array(value, dtype)


def pad(value: Any, width: Any, mode: str = "constant", **named: Any) -> Array:
    tensor = tensor_of(value)
    widths = np.broadcast_to(np.asarray(real(width)), (tensor.ndim, 2)).tolist()
    fills = np.unique(np.asarray(real(named.get("constant_values", 0))))
    if mode == "constant" and fills.size == 1:
        fill = float(fills[0])
        ends = [int(w) for pair in widths[::-1] for w in pair]
        return Array(torch.nn.functional.pad(tensor, ends, value=fill))
    for axis, ends in enumerate(widths):
        places = np.pad(np.arange(tensor.shape[axis]), ends, mode=mode)  # type: ignore[call-overload]
        tensor = tensor.index_select(axis, torch.from_numpy(places))
    return Array(tensor)


def vectorize(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
    function = of_math(function) or function

    def each(*args: Any) -> Any:
        tensors = torch.broadcast_tensors(*map(tensor_of, args))
        try:
            return function(*map(Array, tensors))
        except (RuntimeError, ValueError):  # it asks whether a number is above another
            elements = zip(*(t.reshape(-1).unbind() for t in tensors), strict=True)
            values = [tensor_of(function(*map(Array, one))) for one in elements]
            return Array(torch.stack(values).reshape(tensors[0].shape))

    return each


def apply_along_axis(function: Any, axis: int, value: Any, *args: Any, **named: Any) -> Array:
    last = tensor_of(value).movedim(axis, -1)
    rows = [
        tensor_of(function(Array(row), *args, **named)) for row in last.reshape(-1, last.shape[-1])
    ]
    stack = torch.stack(rows).reshape([*last.shape[:-1], *rows[0].shape])
    return Array(stack.movedim(-1, axis) if rows[0].ndim else stack)


def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0) -> Array:
    result = tensor_of(default)
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        result = where(Array(tensor_of(condition)), choice, Array(result)).tensor
    return Array(result)


def piecewise(x: Any, conditions: Sequence[Any], functions: Sequence[Any]) -> Array:
    values = [f(x) if callable(f) else f for f in functions]
    default = values.pop() if len(values) > len(conditions) else 0
    return select(list(conditions), values, default)


def where(condition: Any, *choices: Any) -> Any:
    chosen = [Array(tensor_of(c)) if isinstance(c, list | tuple) else c for c in choices]
    return finished("where", (condition, *chosen), function_in(tnp, "where")(condition, *chosen))


def reduction(name: str) -> Callable[..., Any]:
    """A reduction; `where` leaves elements out."""
    function = getattr(tnp, name)

    def called(value: Any, axis: Any = None, **named: Any) -> Any:
        value, chosen = asarray(value), named.pop("where", None)
        if chosen is not None:
            value = where(chosen, value, 0.0)
        return finished(name, (value,), function(value, axis=axis, **named), axis)

    return called


def reshape(value: Any, shape: Any, order: str = "C") -> Array:
    return Array(tensor_of(value)).reshape(shape, order=order)


def ravel(value: Any, order: str = "C") -> Array:
    return Array(in_order(tensor_of(value), order).reshape(-1))


def sliding_window_view(value: Any, window: Any, axis: Any = None, **_: Any) -> Array:
    tensor = tensor_of(value)
    sizes = tuple(window) if isinstance(window, list | tuple) else (window,)
    axes = range(tensor.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one, size in zip(axes, sizes, strict=True):
        tensor = tensor.unfold(one % tensor_of(value).ndim, int(size), 1)
    return Array(tensor)


def as_strided(value: Any, shape: Any = None, strides: Any = None, **_: Any) -> Array:
    tensor = tensor_of(value)
    steps = [int(step) // tensor.element_size() for step in strides]
    return Array(torch.as_strided(tensor.contiguous(), [int(s) for s in shape], steps))


def ndenumerate(value: Any) -> Iterator[tuple[tuple[int, ...], Array]]:
    held = asarray(value)
    return ((index, held[index]) for index in np.ndindex(*held.shape))


def logsumexp(value: Any, axis: Any = None, keepdims: bool = False) -> Array:
    tensor = tensor_of(value)
    axes = list(range(tensor.ndim)) if axis is None else axis
    return Array(torch.logsumexp(tensor, axes, keepdim=keepdims))


def softmax(value: Any, axis: Any = None) -> Array:
    tensor = tensor_of(value)
    if axis is None:
        return Array(torch.softmax(tensor.reshape(-1), 0).reshape(tensor.shape))
    return Array(torch.softmax(tensor, axis))


def log_softmax(value: Any, axis: int = -1) -> Array:
    return Array(torch.log_softmax(tensor_of(value), axis))


def unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def called(value: Any, **named: Any) -> Any:
        tensor = tensor_of(value)
        result = Array(function(tensor if tensor.is_floating_point() else tensor.double()))
        return finished(function.__name__, (value,), result)

    return called


class Joined:
    """`np.c_[…]` and `np.r_[…]`."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def __getitem__(self, parts: Any) -> Array:
        tensors = [tensor_of(p) for p in (parts if isinstance(parts, tuple) else (parts,))]
        if self.axis:
            tensors = [t.reshape(-1, 1) if t.ndim == 1 else t for t in tensors]
        return Array(torch.cat([torch.atleast_1d(t) for t in tensors], self.axis))


MATH: dict[str, Any] = {
    name: unary(getattr(torch, name))
    for name in (
        *("exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "erf"),
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan"),
    )
} | {"fabs": unary(torch.abs), "pow": lambda x, y: x**y}


def math_function(name: str) -> Callable[..., Any]:
    """A function of `math`: of traced numbers PyTorch's, of others its own."""

    def called(*args: Any) -> Any:
        return (MATH[name] if holds_array(args) else getattr(math, name))(*args)

    return called


def of_math(value: Any) -> Any:
    """What stands in for a function of `math`; None if it is none, or needs no stand-in."""
    name = getattr(value, "__name__", "")
    known = name in MATH and getattr(math, name, None) is value
    return math_function(name) if known else None
