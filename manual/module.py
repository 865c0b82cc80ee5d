"""What every layer is made of: parameters, and modules that run forward and backward.

A module's `forward` saves what its `backward` will need; `backward` takes it off again, last in,
first out. That order is the chain rule's own, so a module that is used twice in one forward pass
(tied weights, a recurrent cell) needs nothing more.

A forward pass is one call of a module from outside, with all the calls inside it. It waits until it
is run backward. While one waits, another cannot be told from it: where both have gone through a
module, backward refuses. What is only looked at belongs under `no_grad`; several passes that will
all be run backward, last first, belong under `keep_passes`.

Backward reads the inputs and the weights as they are then. Noticing that one of them was changed in
place since forward would take a copy or a checksum of each, which costs a small layer more than
its own work: so do not.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.longdouble))


class Pass:
    """One forward pass: a call of a module from outside, and all that was saved within it.

    Attributes:
        module, shapes: what was called and its inputs' shapes, for messages.
        kept: it was run under `keep_passes`.
        modules: those that saved something, as often as they did.
        observers: see `observed`.
    """

    __slots__ = ("kept", "module", "modules", "observers", "shapes")

    def __init__(self, module: "Module", inputs: tuple[Any, ...]) -> None:
        self.module = type(module).__name__
        self.shapes = [getattr(x, "shape", "…") for x in inputs]
        self.kept = _keeping.get()
        self.modules: list[Module] = []
        self.observers = _observers.get()

    def __str__(self) -> str:
        return f"{self.module} on {', '.join(map(str, self.shapes))}"

    def forget(self) -> None:
        """Drop all that was saved within it: it can no longer be run backward."""
        for module in self.modules:
            module._saved = [saved for saved in module._saved if saved.within is not self]
            module._overtaken = []
        self.modules = []


class Saved:
    """What one `forward` handed to its `backward`, and the shapes and dtypes of its outputs."""

    __slots__ = ("outputs", "values", "within")

    def __init__(self, values: tuple[Any, ...], within: Pass) -> None:
        self.values, self.within = values, within
        self.outputs: list[Any] | None = None


_saving: ContextVar[bool] = ContextVar("saving", default=True)
_keeping: ContextVar[bool] = ContextVar("keeping", default=False)
_pass: ContextVar[Pass | None] = ContextVar("pass", default=None)
_observers: ContextVar[tuple["Observer", ...]] = ContextVar("observers", default=())


@contextmanager
def _within(variable: ContextVar[Any], value: Any) -> Iterator[Any]:
    """The variable has this value within the block."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def no_grad() -> AbstractContextManager[Any]:
    """`with no_grad():` no forward pass saves anything, so none of them can be run backward.

    A network that is only to be looked at, not trained, belongs inside.
    """
    return _within(_saving, False)


def keep_passes() -> AbstractContextManager[Any]:
    """`with keep_passes():` every forward pass is kept until it is run backward, the last first.

    For a network that is applied to several inputs before it is run back through all of them:

        with keep_passes():
            y1, y2 = network(x1), network(x2)
            network.backward(g2)
            network.backward(g1)
    """
    return _within(_keeping, True)


def observed(observer: "Observer") -> AbstractContextManager[Any]:
    """Within the block, `observer` sees every call that saves something for backward.

    Args:
        observer: is called with the module, its inputs by position and by name, and its outputs;
            what it returns takes the outputs' place.
    """
    return _within(_observers, (*_observers.get(), observer))


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


def is_plain_array(value: Any) -> bool:
    """Whether it is a NumPy array or number, and no subclass, whose operators mean other things."""
    return type(value) is np.ndarray or isinstance(value, np.generic)


def plain_array(what: str, values: Any) -> Array:
    """A copy as a plain array.

    Raises:
        TypeError: it is a matrix, a masked array or another subclass, which means more than that.
    """
    if isinstance(values, np.ndarray) and not is_plain_array(values):
        raise TypeError(f"{what} is a {type(values).__name__}, expected a plain NumPy array")
    return np.array(np.asarray(values))


def described(outputs: Any) -> Any:
    """Shape and dtype of an output; of nested outputs, a list of theirs."""
    if isinstance(outputs, tuple | list):
        return [described(output) for output in outputs]
    return getattr(outputs, "shape", ()), getattr(outputs, "dtype", None)


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
        self._buffers: dict[str, bool] = {}  # name, and whether it is part of the state
        self._saved: list[Saved] = []
        self._overtaken: list[str] = []  # passes that another one took the place of

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def sum_lengths(self, *inputs: Any, **named: Any) -> dict[str, int]:
        """How many terms the longest sum has behind each result of a pass on these inputs.

        It says how far rounding may take two right implementations apart. Keys are "output",
        "input" for the inputs' gradients, and the parameters' names for theirs; what is left out
        is computed element by element.
        """
        return {}

    def register_buffer(self, name: str, values: Any, persistent: bool = True) -> None:
        """Keep a copy of an array, or None, as the attribute `name`: converted along, not trained.

        Args:
            persistent: whether it belongs to the state dict.
        """
        values = None if values is None else plain_array(f"{type(self).__name__}: {name}", values)
        super().__setattr__(name, values)
        self._buffers[name] = persistent

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__.get(name)
        for kind, instead in ((Parameter, f"assign to {name}.data"), (Module, "")):
            if isinstance(own, kind) and value is not None and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}: {name} is a {kind.__name__} and cannot become a "
                    f"{type(value).__name__}" + (f": {instead}" if instead else "")
                )
        if name in self.__dict__.get("_buffers", ()):
            if value is not None and type(value) is not np.ndarray:
                raise TypeError(
                    f"{type(self).__name__}: {name} is a buffer and cannot become a "
                    f"{type(value).__name__}, expected a NumPy array or None"
                )
        # A NumPy number has a dtype of its own, which would lift float32 arrays to float64.
        elif isinstance(value, np.generic) and value.dtype.kind in "fiub":
            value = value.item()
        super().__setattr__(name, value)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """`forward`, its arguments by position or by name; see this file's head on passes."""
        if not _saving.get():
            return self.forward(*inputs, **named)
        within = _pass.get()
        if within is not None:
            return self._run(within, inputs, named)
        within = Pass(self, (*inputs, *named.values()))
        token = _pass.set(within)
        try:
            return self._run(within, inputs, named)
        except BaseException:
            within.forget()
            raise
        finally:
            _pass.reset(token)

    def _run(self, within: Pass, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        outputs = self.forward(*inputs, **named)
        if self._saved and self._saved[-1].outputs is None:
            self._saved[-1].outputs = described(as_tuple(outputs))
            for observe in within.observers:
                outputs = observe(self, inputs, named, outputs)
        return outputs

    # What forward hands to backward

    def save_for_backward(self, *values: Any) -> None:
        """Called at the end of `forward`. Under `no_grad` nothing is kept."""
        if not _saving.get():
            return
        within = _pass.get() or Pass(self, ())  # where `forward` was called by itself
        if self._saved:
            before = self._saved[-1].within
            if before is not within and not (before.kept and within.kept):
                self._overtaken = [*self._overtaken[:1], str(before)]
                self._saved.clear()
        within.modules.append(self)
        self._saved.append(Saved(values, within))

    def take_saved(self, *grad_outputs: Any) -> tuple[Any, ...]:
        """Called at the start of `backward`: what the matching forward saved.

        Args:
            grad_outputs: the upstream gradients, nested as the outputs are, to be checked against
                them; None for an output that nothing depends on.
        Raises:
            RuntimeError: no forward pass is left to run backward, or several wait, so that it is
                not known which is meant.
            ValueError, TypeError: the upstream gradients have not the outputs' number, shapes or
                dtypes.
        """
        if not self._saved:
            raise RuntimeError(
                f"{self!r}: backward has no forward to go back through: "
                "none was run, it was run under no_grad, or backward was called for it already"
            )
        saved = self._saved[-1]
        if self._overtaken:
            waiting = "; ".join([*self._overtaken, str(saved.within)])
            saved.within.forget()
            raise RuntimeError(
                f"{self!r}: several forward passes wait to be run backward ({waiting}), and it is "
                "not known which is meant; they are dropped. Run those that are only looked at "
                "under no_grad(); if all are to be run backward, last first, run them under "
                "keep_passes()"
            )
        if saved.outputs is not None and grad_outputs:
            if all(gradient is None for gradient in grad_outputs):
                raise ValueError(f"{self!r}: there is no upstream gradient")
            self._check_upstream(grad_outputs, saved.outputs)
        return self._saved.pop().values

    def _check_upstream(self, gradients: tuple[Any, ...], outputs: list[Any]) -> None:
        if len(gradients) != len(outputs):
            raise ValueError(
                f"{self!r}: {len(gradients)} upstream gradients, "
                f"expected {len(outputs)}, one for each output"
            )
        for gradient, output in zip(gradients, outputs, strict=True):
            several = isinstance(gradient, tuple | list)
            if gradient is None:
                continue
            if several and isinstance(output, list):
                self._check_upstream(tuple(gradient), output)
                continue
            number = isinstance(gradient, int | float)
            if isinstance(output, list) or not (is_plain_array(gradient) or number):
                what = f"{type(gradient).__name__}{f' of {len(gradient)}' if several else ''}"
                wanted = f"{len(output)} of them" if isinstance(output, list) else "a plain array"
                raise TypeError(f"{self!r}: upstream gradient is a {what}, expected {wanted}")
            shape, dtype = output
            if np.shape(gradient) != shape:
                raise ValueError(
                    f"{self!r}: upstream gradient of shape {np.shape(gradient)}, "
                    f"expected the output's {shape}"
                )
            if not number and gradient.dtype != dtype:
                raise TypeError(
                    f"{self!r}: upstream gradient in {gradient.dtype}, "
                    f"expected the output's {dtype}"
                )

    def forget_passes(self) -> None:
        """Drop every forward pass that waits to be run backward through this module's parts."""
        for module in self.modules():
            module._saved, module._overtaken = [], []

    def check_array(self, x: Any, name: str = "input") -> None:
        """Raise TypeError unless `x` is a NumPy array or number, and no subclass of one."""
        if not is_plain_array(x):
            raise TypeError(
                f"{self!r}: {name} is a {type(x).__name__}, expected a plain NumPy array"
            )

    def check_input(self, x: Any, dtype: DTypeLike | None = None, name: str = "input") -> Array:
        """`x`, if it is a floating array, of that dtype if one is given; else TypeError."""
        self.check_array(x, name)
        if dtype is not None and x.dtype != dtype:
            raise TypeError(f"{self!r}: {name} is {x.dtype}, expected {dtype}")
        if x.dtype not in FLOATS:
            raise TypeError(f"{self!r}: {name} is {x.dtype}, expected a floating dtype")
        return x

    def check_indices(self, x: Any, name: str, low: int, high: int) -> None:
        """Raise unless `x` is an array of integers from `low` to `high`; the first other is named.

        Raises:
            TypeError: it is no array of integers.
            IndexError: one is out of range.
        """
        self.check_array(x, name)
        if x.dtype.kind not in "iu":
            raise TypeError(f"{self!r}: {name} is {x.dtype}, expected integers")
        wrong = (x < low) | (x > high)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise IndexError(
                f"{self!r}: {name} has {x[place]} at {list(place)}, expected {low} to {high}"
            )

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

    def _named_buffers(self) -> Iterator[tuple[str, Array, bool]]:
        """Name, array, and whether it belongs to the state; those that are None left out."""
        for prefix, module in self.named_modules():
            for name, persistent in module._buffers.items():
                values = getattr(module, name)
                if values is not None:
                    yield f"{prefix}.{name}" if prefix else name, values, persistent

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """The arrays that were registered as buffers, with their names."""
        return ((name, values) for name, values, _ in self._named_buffers())

    def to(self, dtype: DTypeLike) -> "Module":
        """Convert all numbers to float32, float64 or longdouble; gradients are dropped."""
        dtype = float_dtype(dtype)
        for parameter in self.parameters():
            parameter.cast(dtype)
        for module in self.modules():
            for name in module._buffers:
                values = getattr(module, name)
                if values is not None and values.dtype in FLOATS:
                    setattr(module, name, values.astype(dtype))
        return self

    def _state(self) -> dict[str, Array]:
        """Every parameter's and persistent buffer's own array, the names as in PyTorch."""
        state = {name: parameter.data for name, parameter in self._named_parameters()}
        return state | {name: values for name, values, kept in self._named_buffers() if kept}

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
        loaded = {name: plain_array(name, values) for name, values in state_dict.items()}
        problems = [f"missing {name}" for name in own if name not in loaded]
        problems += [f"unexpected {name}" for name in loaded if name not in own]
        for name, wanted in own.items():
            values = loaded.get(name, wanted)
            if values.shape != wanted.shape:
                problems.append(f"{name} has shape {values.shape}, expected {wanted.shape}")
            elif values.dtype != wanted.dtype:
                problems.append(f"{name} is {values.dtype}, expected {wanted.dtype}")
        if problems:
            raise ValueError(f"{type(self).__name__}.load_state_dict: " + "; ".join(problems))
        for name, array in own.items():
            array[...] = loaded[name]

    # How it was made

    def arguments(self) -> dict[str, Any]:
        """The arguments with which the constructor makes this module again, but for its values."""
        arguments = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if name in ("device", "generator", "size_average", "reduce"):
                continue
            if name == "dtype":
                own = next(self.parameters(), None)
                arguments[name] = own.data.dtype if own else np.dtype(np.float32)
                continue
            value = getattr(self, name)
            if isinstance(parameter.default, bool):  # bias=True is kept as the bias itself
                value = value is not None and value is not False
            arguments[name] = value
        return arguments

    def __repr__(self) -> str:
        return constructor_call(type(self), self.arguments())


Observer = Callable[[Module, tuple[Any, ...], dict[str, Any], Any], Any]


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

    def forward(self, input: Any) -> Any:
        x = input
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
        chosen = self._inside[index]
        return Sequential(*chosen) if isinstance(chosen, tuple) else chosen

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
    """Raise IndexError unless `x` has such an axis; a number counts as an axis of one."""
    if not -max(x.ndim, 1) <= axis < max(x.ndim, 1):
        raise IndexError(f"{module!r}: input has {x.ndim} axes, dim {axis} is not one of them")
