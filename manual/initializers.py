"""How a layer's numbers start: the functions of torch.nn.init, and PyTorch's own random numbers.

Each function fills a Parameter in place and returns it. fan_in is how many inputs reach one output
of a weight, fan_out how many outputs one input reaches. A sum of fan_in terms of variance v has the
variance fan_in · v: so a weight's variance of gain²/fan_in lets a signal keep its size from layer
to layer, and 2 gain²/(fan_in + fan_out) is the compromise with the gradient, which goes the other
way. A uniform distribution over [−a, a] has the variance a²/3.

Raises, by every function: TypeError for what is no Parameter; ValueError for an argument out of its
range, or a parameter with too few axes.

Sources: Glorot & Bengio, 2010 (xavier); He et al., 2015 (kaiming); Saxe et al., 2013 (orthogonal);
Martens, 2010 (sparse); Matsumoto & Nishimura, 1998 (the Mersenne Twister).
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from .arrays import Array
from .generator import BLOCK, Generator, TorchGenerator, _drawable, fused, given_or_new, random
from .parameter import Parameter

Function = TypeVar("Function", bound=Callable[..., Parameter])


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much an activation shrinks the standard deviation of what passes it, to be made up for.

    Args:
        nonlinearity: linear, conv1d … conv_transpose3d, sigmoid, tanh, relu, leaky_relu, selu.
        param: the negative slope of leaky_relu, 0.01 by default.
    """
    linear = ("linear", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)))
    gains = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    gains |= dict.fromkeys(linear, 1.0)
    if nonlinearity in gains:
        return gains[nonlinearity]
    if nonlinearity != "leaky_relu":
        known = ", ".join((*gains, "leaky_relu"))
        raise ValueError(f"nonlinearity is {nonlinearity!r}, expected one of {known}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, int | float):
        raise ValueError(f"leaky_relu's slope is {slope!r}, expected a number")
    return math.sqrt(2 / (1 + slope**2))


def initializer(function: Function) -> Function:
    """A decorator: the function then refuses what is no Parameter."""

    @functools.wraps(function)
    def wrapper(parameter: Parameter, *args: Any, **kwargs: Any) -> Parameter:
        if not isinstance(parameter, Parameter):
            kind = type(parameter).__name__
            raise TypeError(f"{function.__name__}: got a {kind}, expected a Parameter")
        return function(parameter, *args, **kwargs)

    return cast(Function, wrapper)


def fans(parameter: Parameter) -> tuple[int, int]:
    """fan_in and fan_out of a weight (out, in, *kernel)."""
    if len(parameter.shape) < 2:
        raise ValueError(f"a parameter of shape {parameter.shape} has no fans, expected 2 axes")
    kernel = math.prod(parameter.shape[2:])
    return parameter.shape[1] * kernel, parameter.shape[0] * kernel


@initializer
def uniform_(
    parameter: Parameter, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Parameter:
    """Fill with uniform numbers over [a, b)."""
    dtype = parameter.data.dtype
    largest = float(np.finfo(_drawable(dtype)).max)
    if not (0 <= b - a and max(b, -a, b - a) <= largest):
        raise ValueError(f"uniform_: a is {a} and b {b}, expected a <= b, both and b - a finite")
    drawn = random(parameter.shape, dtype, generator)
    parameter.data = fused(drawn, dtype.type(b) - dtype.type(a), dtype.type(a))
    return parameter


@initializer
def normal_(
    parameter: Parameter, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Parameter:
    """Fill with normal numbers of this mean and standard deviation."""
    if not std >= 0:
        raise ValueError(f"normal_: std is {std}, expected at least 0")
    dtype = parameter.data.dtype
    generator = given_or_new(generator)
    # What PyTorch draws one by one it rounds to float32 only after std and mean.
    single = isinstance(generator, TorchGenerator) and parameter.data.size < BLOCK
    drawn = generator.standard_normal(
        parameter.shape, dtype=np.float64 if single else _drawable(dtype)
    )
    wide = np.asarray(drawn, np.result_type(drawn, dtype))
    parameter.data = fused(wide, wide.dtype.type(std), wide.dtype.type(mean)).astype(dtype)
    return parameter


@initializer
def trunc_normal_(
    parameter: Parameter,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Parameter:
    """Fill with normal numbers, cut off at a and b.

    Where [a, b] holds more than 0.3 of the distribution, what falls outside is drawn again;
    elsewhere uniform numbers in [a, b] are kept with a chance of their density over the largest
    there. Both draw whole arrays until every element is settled, as PyTorch does.
    """
    if not std > 0:
        raise ValueError(f"trunc_normal_: std is {std}, expected more than 0")
    if not a <= b:
        raise ValueError(f"trunc_normal_: a is {a}, expected no more than b, {b}")
    generator = given_or_new(generator)
    low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
    plenty = (high - low) / 2 > 0.3
    peak = -(((max(a, min(mean, b)) - mean) / std) ** 2) / 2  # log of the largest density
    again, drawn = Parameter(parameter.data), Parameter(parameter.data)
    pending = np.ones(parameter.shape, bool)
    while pending.any():
        if plenty:
            normal_(drawn, mean, std, generator)
            refused = (drawn.data < a) | (drawn.data > b)
        else:
            uniform_(drawn, a, b, generator)
            uniform_(again, generator=generator)
            with np.errstate(divide="ignore"):
                refused = np.log(again.data) > -(((drawn.data - mean) / std) ** 2) / 2 - peak
        parameter.data = np.where(pending, drawn.data, parameter.data)
        pending = pending & refused
    return parameter


@initializer
def constant_(parameter: Parameter, val: float) -> Parameter:
    """Fill with one number."""
    parameter.data[...] = val
    return parameter


@initializer
def ones_(parameter: Parameter) -> Parameter:
    """Fill with ones."""
    return constant_(parameter, 1)


@initializer
def zeros_(parameter: Parameter) -> Parameter:
    """Fill with zeros."""
    return constant_(parameter, 0)


@initializer
def eye_(parameter: Parameter) -> Parameter:
    """Fill a matrix (n, m) with the identity, or as much of it as fits: what goes in comes out."""
    if len(parameter.shape) != 2:
        raise ValueError(f"eye_: a parameter of shape {parameter.shape}, expected 2 axes")
    parameter.data = np.eye(*parameter.shape, dtype=parameter.data.dtype)
    return parameter


@initializer
def dirac_(parameter: Parameter, groups: int = 1) -> Parameter:
    """Fill with a convolution's identity: 1 in the middle of the kernel from channel i to i."""
    shape = parameter.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_: a parameter of shape {shape}, expected 3, 4 or 5 axes")
    if groups < 1 or shape[0] % groups:
        raise ValueError(
            f"dirac_: groups is {groups}, expected a divisor of the {shape[0]} output channels"
        )
    zeros_(parameter)
    middle = tuple(size // 2 for size in shape[2:])
    for group in range(groups):
        for i in range(min(shape[0] // groups, shape[1])):
            parameter.data[(group * (shape[0] // groups) + i, i, *middle)] = 1
    return parameter


@initializer
def xavier_uniform_(
    parameter: Parameter, gain: float = 1.0, generator: Generator | None = None
) -> Parameter:
    """Fill with uniform numbers of variance 2 gain²/(fan_in + fan_out)."""
    a = math.sqrt(3.0) * (gain * math.sqrt(2.0 / sum(fans(parameter))))  # rounded in this order
    return uniform_(parameter, -a, a, generator)


@initializer
def xavier_normal_(
    parameter: Parameter, gain: float = 1.0, generator: Generator | None = None
) -> Parameter:
    """Fill with normal numbers of variance 2 gain²/(fan_in + fan_out)."""
    return normal_(parameter, 0.0, gain * math.sqrt(2.0 / sum(fans(parameter))), generator)


def _kaiming_std(parameter: Parameter, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan = fans(parameter)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))  # 0 if there is nothing to fill


@initializer
def kaiming_uniform_(
    parameter: Parameter,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Parameter:
    """Fill with uniform numbers of variance gain²/fan; `a` is leaky_relu's slope."""
    bound = math.sqrt(3.0) * _kaiming_std(parameter, a, mode, nonlinearity)
    return uniform_(parameter, -bound, bound, generator)


@initializer
def kaiming_normal_(
    parameter: Parameter,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Parameter:
    """Fill with normal numbers of variance gain²/fan; `a` is leaky_relu's slope."""
    return normal_(parameter, 0.0, _kaiming_std(parameter, a, mode, nonlinearity), generator)


@initializer
def orthogonal_(
    parameter: Parameter, gain: float = 1.0, generator: Generator | None = None
) -> Parameter:
    """Fill with a matrix whose rows, or columns if fewer, are orthogonal and of length `gain`.

    It is Q of the QR decomposition of a normal matrix, each column with the sign that makes R's
    diagonal positive, so that every orthogonal matrix is equally likely. Axes after the first are
    taken as one. LAPACK has no extended precision: longdouble gets the digits of float64.
    """
    if len(parameter.shape) < 2:
        raise ValueError(f"orthogonal_: a parameter of shape {parameter.shape}, expected 2 axes")
    rows, columns = parameter.shape[0], math.prod(parameter.shape[1:])
    dtype = parameter.data.dtype
    drawn = normal_(Parameter(np.empty((rows, columns), dtype)), generator=generator).data
    flat: Array = drawn.astype(_drawable(dtype), copy=False)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.sign(np.diag(r))
    parameter.data = (gain * (q.T if rows < columns else q)).reshape(parameter.shape).astype(dtype)
    return parameter


@initializer
def sparse_(
    parameter: Parameter, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Parameter:
    """Fill with normal numbers, the part `sparsity` of every column with zeros."""
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is {sparsity}, expected 0 to 1")
    if len(parameter.shape) != 2:
        raise ValueError(f"sparse_: a parameter of shape {parameter.shape}, expected 2 axes")
    generator = given_or_new(generator)
    normal_(parameter, 0.0, std, generator)
    rows, columns = parameter.shape
    for column in range(columns):
        zeroed = generator.permutation(rows)[: math.ceil(sparsity * rows)]
        parameter.data[zeroed, column] = 0
    return parameter
