"""What every layer is made of: parameters, and modules that run forward and backward.

A module's `forward` saves what its `backward` will need; `backward` takes it off again, last in,
first out. That order is the chain rule's own, so a module that is used twice in one forward pass
(tied weights, a recurrent cell) needs nothing more.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.longdouble))

_saving: ContextVar[bool] = ContextVar("saving", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this block no forward pass saves anything, so none of them can be run backward.

    Outside it every forward pass keeps what its backward needs until that is called: so a network
    that is only to be looked at, not trained, belongs inside.
    """
    token = _saving.set(False)
    try:
        yield
    finally:
        _saving.reset(token)


def float_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    """`dtype` as NumPy's, float32 (PyTorch's default) for None.

    Raises:
        TypeError: it is none of float32, float64 and longdouble.
    """
    resolved = np.dtype(np.float32 if dtype is None else dtype)
    if resolved not in FLOATS:
        raise TypeError(f"dtype is {resolved}, expected float32, float64 or longdouble")
    return resolved


def as_tuple(value: Any) -> tuple[Any, ...]:
    """What a forward or backward returned, as a tuple: a single array becomes a tuple of one."""
    return value if isinstance(value, tuple) else (value,)


class Parameter:
    """A trainable array `data`, and in `grad` the gradient of the loss with respect to it.

    `grad` is None until a backward pass reaches the parameter, and again after `zero_grad`.
    An optimizer moves the parameters it is given into one flat array, of which `data` and `grad`
    are views from then on; assigning to either therefore copies the values in.

    Args:
        data: its first values, copied; float32, float64 or longdouble.
        requires_grad: with False the parameter is held fixed: backward adds nothing to it.
    """

    __slots__ = ("_data", "_grad", "_has_grad", "requires_grad")

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self._data: Array = np.array(data)
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

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

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

    def move_to(self, data: Array, grad: Array) -> None:
        """Live in these arrays from now on, taking the present values along."""
        data[...] = self._data
        if self._has_grad:
            grad[...] = self._grad
        self._data, self._grad = data, grad

    def cast(self, dtype: DTypeLike) -> None:
        """Hold the values in another dtype from now on; the gradient is dropped."""
        self._data = self._data.astype(dtype)
        self._grad, self._has_grad = None, False

    def _check(self, what: str, values: Array) -> None:
        # NumPy would broadcast and cast to float32 without a word; a wrong gradient must not pass.
        if np.shape(values) != self._data.shape:
            raise ValueError(
                f"{what} of shape {np.shape(values)} for a parameter of shape {self._data.shape}"
            )
        dtype = getattr(values, "dtype", type(values).__name__)
        if dtype != self._data.dtype:
            raise TypeError(f"{what} in {dtype} for a parameter in {self._data.dtype}")

    def __repr__(self) -> str:
        fixed = "" if self.requires_grad else ", requires_grad=False"
        return f"Parameter({self._data!r}{fixed})"


class Module:
    """The base of every layer, loss and network.

    A subclass gives `forward(*inputs)` and `backward(*grad_outputs)`. Attributes that are
    parameters or modules are found by themselves, in the order in which they were set. Each
    argument of the constructor is kept as an attribute of its own name.

    Raises:
        TypeError, ValueError, IndexError: by any layer or loss, for an input whose dtype, shape or
            values it cannot take; the message names the module, what it got and what it wanted.
        NotImplementedError: by any constructor, for an argument that only PyTorch has.
    """

    training: bool

    def __init__(self) -> None:
        self.training = True
        self._saved: list[tuple[tuple[Any, ...], tuple[Any, ...] | None]] = []

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def __setattr__(self, name: str, value: Any) -> None:
        # A NumPy number has a dtype of its own, which would lift float32 arrays to float64.
        number = isinstance(value, np.generic) and value.dtype.kind in "fiub"
        super().__setattr__(name, value.item() if number else value)

    def __call__(self, *inputs: Any) -> Any:
        depth = len(self._saved)
        outputs = self.forward(*inputs)
        if len(self._saved) > depth:  # what the upstream gradients will be checked against
            made = tuple((output.shape, output.dtype) for output in as_tuple(outputs))
            self._saved[-1] = (self._saved[-1][0], made)
        return outputs

    # What forward hands to backward

    def save_for_backward(self, *values: Any) -> None:
        """Called at the end of `forward`. Under `no_grad` nothing is kept."""
        if _saving.get():
            self._saved.append((values, None))

    def take_saved(self, *grad_outputs: Any) -> tuple[Any, ...]:
        """Called at the start of `backward`: what the matching forward saved.

        Args:
            grad_outputs: the upstream gradients, to be checked against the outputs they belong to.
        Raises:
            RuntimeError: no forward pass is left to run backward.
            ValueError, TypeError: an upstream gradient has not its output's shape or dtype.
        """
        if not self._saved:
            raise RuntimeError(
                f"{self!r}: backward has no forward to go back through: "
                "none was run, it was run under no_grad, or backward was called for it already"
            )
        values, made = self._saved[-1]
        for gradient, (wanted, dtype) in zip(grad_outputs, made or (), strict=False):
            if gradient is None:
                continue
            shape = getattr(gradient, "shape", ())
            if shape != wanted:
                raise ValueError(
                    f"{self!r}: upstream gradient of shape {shape}, expected the output's {wanted}"
                )
            if getattr(gradient, "dtype", dtype) != dtype:
                raise TypeError(
                    f"{self!r}: upstream gradient in {gradient.dtype}, "
                    f"expected the output's {dtype}"
                )
        self._saved.pop()
        return values

    def check_input(self, x: Any, dtype: DTypeLike | None = None, name: str = "input") -> None:
        """Raise TypeError unless `x` is a floating array, of that dtype if one is given."""
        if not isinstance(x, np.ndarray | np.generic):
            raise TypeError(f"{self!r}: {name} is a {type(x).__name__}, expected a NumPy array")
        if dtype is not None and x.dtype != dtype:
            raise TypeError(f"{self!r}: {name} is {x.dtype}, expected {dtype}")
        if x.dtype not in FLOATS:
            raise TypeError(f"{self!r}: {name} is {x.dtype}, expected a floating dtype")

    # What a module consists of

    def children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules directly inside this one, with their names."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all inside it, each before its children."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def _named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every name of every parameter: a shared one comes once for each of its names."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield f"{prefix}.{name}" if prefix else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter once, under its first name."""
        seen: set[int] = set()
        for name, parameter in self._named_parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> "Module":
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        return self.train(False)

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """The arrays that are kept as attributes: part of the state, but not trained."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, np.ndarray):
                    yield f"{prefix}.{name}" if prefix else name, value

    def to(self, dtype: DTypeLike) -> "Module":
        """Convert all numbers to float32, float64 or longdouble; gradients are dropped."""
        dtype = float_dtype(dtype)
        for parameter in self.parameters():
            parameter.cast(dtype)
        for module in self.modules():
            for name, value in list(vars(module).items()):
                if isinstance(value, np.ndarray) and value.dtype in FLOATS:
                    setattr(module, name, value.astype(dtype))
        return self

    def _state(self) -> dict[str, Array]:
        """Every parameter's and buffer's own array, the names as in PyTorch."""
        found = {name: parameter.data for name, parameter in self._named_parameters()}
        return found | dict(self.named_buffers())

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer under its name, the same names as in PyTorch."""
        return {name: values.copy() for name, values in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over every parameter's and buffer's values. Nothing changes unless everything fits.

        Args:
            state_dict: arrays, or anything that NumPy reads as one, by name.
        Raises:
            ValueError: names are missing or unexpected, shapes or dtypes differ; all are listed.
        """
        own = self._state()
        given = {name: np.asarray(values) for name, values in state_dict.items()}
        problems = [f"missing {name}" for name in own if name not in given]
        problems += [f"unexpected {name}" for name in given if name not in own]
        for name, wanted in own.items():
            values = given.get(name, wanted)
            if values.shape != wanted.shape:
                problems.append(f"{name} has shape {values.shape}, expected {wanted.shape}")
            elif values.dtype != wanted.dtype:
                problems.append(f"{name} is {values.dtype}, expected {wanted.dtype}")
        if problems:
            raise ValueError(f"{type(self).__name__}.load_state_dict: " + "; ".join(problems))
        for name, array in own.items():
            array[...] = given[name]

    # How it was made

    def arguments(self) -> dict[str, Any]:
        """The arguments with which the constructor makes this module again, but for its values."""
        found = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if name in ("device", "generator") or parameter.kind is parameter.VAR_KEYWORD:
                continue
            if name == "dtype":
                own = next(self.parameters(), None)
                found[name] = own.data.dtype if own else np.dtype(np.float32)
                continue
            value = getattr(self, name)
            if isinstance(parameter.default, bool):  # bias=True is kept as the bias itself
                value = value is not None and value is not False
            found[name] = value
        return found

    def __repr__(self) -> str:
        return constructor_call(type(self), self.arguments())


def constructor_call(made: type, arguments: Mapping[str, Any]) -> str:
    """The call that makes it: required arguments by position, others where not the default."""
    written = []
    for name, parameter in inspect.signature(made).parameters.items():
        if name not in arguments:
            continue
        value = arguments[name]
        if parameter.default is parameter.empty:
            written.append(repr(value))
        elif name == "dtype":
            if value != np.float32:
                written.append(f"dtype={value.name!r}")
        elif not np.array_equal(value, parameter.default):
            written.append(f"{name}={value!r}")
    return f"{made.__name__}({', '.join(written)})"


class Sequential(Module):
    """One module after the other: y = fₙ(… f₂(f₁(x))).

    Backward    ∂L/∂x = ∂L/∂y · fₙ′ · … · f₁′, taken from the left: last module first.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for module in modules:
            if isinstance(module, Mapping):
                raise NotImplementedError("Sequential: a dict of modules is not supported")
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: got a {type(module).__name__}, expected modules")
        self._inside = modules

    def forward(self, x: Any) -> Any:
        for module in self._inside:
            x = module(x)
        return x

    def backward(self, g: Any) -> Any:
        for module in reversed(self._inside):
            g = module.backward(g)
        return g

    def children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self._inside))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or for a slice a Sequential of the same modules."""
        found = self._inside[index]
        return Sequential(*found) if isinstance(found, tuple) else found

    def arguments(self) -> dict[str, Any]:
        raise NotImplementedError("Sequential has no named arguments: iterate over its modules")

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self))})"


def refuse(module: Module, **arguments: Any) -> None:
    """Raise NotImplementedError naming any argument that was given though it is not supported."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{type(module).__name__}: {name} is not supported")


def positive(module: Module, name: str, value: int) -> int:
    """`value`, if it is a whole number of at least 1."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{type(module).__name__}: {name} is {value!r}, expected a whole number of at least 1"
        )
    return int(value)


def check_axis(module: Module, x: Array, axis: int) -> None:
    """Raise IndexError unless `x` has such an axis."""
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"{module!r}: input has {x.ndim} axes, dim {axis} is not one of them")
