"""What stands in for NumPy's names: PyTorch's own interface of NumPy, and what it lacks.

A name that neither has raises `UntraceableError` where it would be handed a traced array.
"""

import contextlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import _numpy as tnp
from torch._numpy import _dtypes, _ndarray

from .arrays import Array, UntraceableError, finished, stands_in
from .lacking import (
    MATH,
    Joined,
    apply_along_axis,
    array,
    as_strided,
    asarray,
    log_softmax,
    logsumexp,
    math_function,
    ndenumerate,
    pad,
    piecewise,
    ravel,
    real,
    reduction,
    reshape,
    select,
    sliding_window_view,
    softmax,
    standing,
    tensor_of,
    unary,
    vectorize,
    where,
)


class Real:
    """An object or module of NumPy's, such as a random generator, whose results are stand-ins."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inside, name)
        return through(value, name) if callable(value) else standing(value)


def through(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of NumPy's that is only handed constants."""

    def called(*args: Any, **named: Any) -> Any:
        try:
            constants = real(args), real(named)
        except UntraceableError:
            raise UntraceableError(f"{name} of a traced array") from None
        result = function(*constants[0], **constants[1])
        return (
            Real(result)
            if type(result).__module__.startswith("numpy.random")
            else (standing(result))
        )

    return called


class Ufunc:
    """A function of NumPy's with its methods `at`, `reduce`, `outer`, `accumulate`."""

    REDUCED: ClassVar = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
    RUNNING: ClassVar = {"add": "cumsum", "multiply": "cumprod"}

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.__name__, self.function = name, function

    def __call__(self, *args: Any, **named: Any) -> Any:
        where, out = named.pop("where", True), named.pop("out", None)
        if isinstance(out, tuple):
            (out,) = out
        result = finished(self.__name__, args, self.function(*args, **named))
        if where is not True:
            before = tensor_of(0.0 if out is None else out)
            result = Array(torch.where(tensor_of(where), result.tensor, before))
        return result if out is None else out.assign(result.tensor)

    def at(self, array: Array, index: Any, values: Any = None) -> None:
        if self.__name__ not in ("add", "subtract"):
            raise UntraceableError(f"np.{self.__name__}.at")
        sign = 1 if self.__name__ == "add" else -1
        tensor = array.tensor
        places = torch.arange(tensor.numel()).reshape(tensor.shape)
        wanted = _ndarray.ndarray(places)[index].tensor
        moved = (sign * tensor_of(values)).to(tensor.dtype).expand(wanted.shape)
        flat = tensor.reshape(-1).index_add(0, wanted.reshape(-1), moved.reshape(-1))
        array.assign(flat.reshape(tensor.shape))

    def reduce(self, array: Any, axis: Any = 0, **named: Any) -> Any:
        return self._named(self.REDUCED)(array, axis=axis, **named)

    def accumulate(self, array: Any, axis: int = 0) -> Any:
        return self._named(self.RUNNING)(array, axis=axis)

    def outer(self, one: Any, two: Any) -> Any:
        left, right = tensor_of(one), tensor_of(two)
        return self(Array(left.reshape([*left.shape] + [1] * right.ndim)), Array(right))

    def _named(self, names: dict[str, str]) -> Callable[..., Any]:
        if self.__name__ not in names:
            raise UntraceableError(f"a method of np.{self.__name__}")
        return function_named(names[self.__name__])


class _FloatType(type):
    def __call__(cls, value: Any = 0.0) -> Any:
        return value.item() if isinstance(value, Array) else float(value)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, float)


class Float(metaclass=_FloatType):
    """`float` in someone's modules: of a traced number it is that number, its gradient kept."""

    dtype = _dtypes.DType("float64")


class Space:
    """A module of stand-ins; what it lacks is the real one's, for constants only."""

    def __init__(self, module: ModuleType, *places: Any) -> None:
        self.__dict__.update(module=module, places=places, __name__=module.__name__)

    def __getattr__(self, name: str) -> Any:
        for place in self.places:
            value = place.get(name) if isinstance(place, dict) else getattr(place, name, None)
            if value is not None:
                return value
        value = getattr(self.module, name)
        if isinstance(value, ModuleType):
            return Real(value)
        if isinstance(value, type) or not callable(value):
            return value
        return through(value, f"{self.module.__name__.partition('.')[0]}.{name}")


def function_named(name: str) -> Any:
    """What stands in for NumPy's function of this name."""
    return getattr(SPACES["numpy"], name)


def function_of(value: Any) -> Any:
    """What stands in for a function or class that was taken from NumPy, SciPy or math."""
    name = getattr(value, "__name__", "")
    for space in (SPACES["numpy"], SPECIAL):
        for place in space.places:
            known = place.get(name) if isinstance(place, dict) else getattr(place, name, None)
            if known is not None:
                return known
    return through(value, f"np.{name}")


SPECIAL = Space(
    np,
    {
        **{n: unary(getattr(torch.special, n)) for n in ("expit", "erf", "erfc", "logit", "expm1")},
        **{n: unary(getattr(torch.special, n)) for n in ("log1p", "digamma", "gammaln", "xlogy")},
        **{"softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp},
    },
)
OWN: dict[str, Any] = {
    "array": array,
    "asarray": asarray,
    "asanyarray": asarray,
    "ascontiguousarray": asarray,
    "asfarray": asarray,
    "copy": lambda value, **_: Array(tensor_of(value).clone()),
    "pad": pad,
    "vectorize": vectorize,
    "apply_along_axis": apply_along_axis,
    "select": select,
    "piecewise": piecewise,
    "where": where,
    "sum": reduction("sum"),
    "max": reduction("max"),
    "amax": reduction("max"),
    "reshape": reshape,
    "ravel": ravel,
    "ndindex": np.ndindex,
    "ndenumerate": ndenumerate,
    "errstate": lambda **_: contextlib.nullcontext(),
    "seterr": lambda **_: {},
    "c_": Joined(1),
    "r_": Joined(0),
    "ndarray": Array,
    "erf": unary(torch.erf),
    "newaxis": None,
}
LIBRARY = Space(
    np.lib,
    {
        "stride_tricks": Space(
            np.lib.stride_tricks,
            {"sliding_window_view": sliding_window_view, "as_strided": as_strided},
        )
    },
)
OWN["lib"] = LIBRARY
_UFUNCS = {
    name: Ufunc(name, getattr(tnp, name))
    for name in dir(np)
    if isinstance(getattr(np, name), np.ufunc) and hasattr(tnp, name)
}


SPACES: dict[str, Any] = {
    "math": Space(math, {name: math_function(name) for name in MATH if hasattr(math, name)}),
}
SPACES["numpy"] = Space(np, OWN, _UFUNCS, tnp)
OWN["random"] = Real(np.random)
OWN["linalg"] = Space(np.linalg, tnp.linalg)
OWN["fft"] = Space(np.fft, tnp.fft)
SPACES["numpy.random"], SPACES["numpy.linalg"] = OWN["random"], OWN["linalg"]
SPACES["numpy.lib"] = LIBRARY
SPACES["numpy.lib.stride_tricks"] = LIBRARY.stride_tricks
SPACES["scipy.special"] = SPECIAL
stands_in.append(function_of)
