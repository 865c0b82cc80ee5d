"""What every layer is: a module that runs forward and backward.

A module's `forward` saves what its `backward` will need; `backward` takes it off again, last in,
first out. That order is the chain rule's own, so a module that is used twice in one forward pass
(tied weights, a recurrent cell) needs nothing more.

Which pass a backward goes back through, passes.py tells.

Backward reads the inputs and the weights as they are then. Noticing that one of them was changed in
place since forward would take a copy or a checksum of each, which costs a small layer more than
its own work: so do not.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import FLOATS, Array, as_tuple, float_dtype, is_plain_array, plain_array
from .parameter import Parameter
from .passes import LOOKING, Pass, Saved, _pass, shapes_and_dtypes


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
    input_gradient: bool  # whether backward has to give the input's; see without_input_gradient

    def __init__(self) -> None:
        self.training = True
        self.input_gradient = True
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
        current = self.__dict__.get(name)
        for kind, instead in ((Parameter, f"assign to {name}.data"), (Module, "")):
            if isinstance(current, kind) and value is not None and not isinstance(value, kind):
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
        """`forward`, its arguments by position or by name; see passes.py."""
        within = _pass.get()
        if within is None:
            return self._begin(inputs, named)
        outputs = self.forward(*inputs, **named)
        if within is not LOOKING and self._saved and self._saved[-1].outputs is None:
            if type(outputs) is np.ndarray:
                self._saved[-1].outputs = [(outputs.shape, outputs.dtype)]
            else:
                self._saved[-1].outputs = shapes_and_dtypes(as_tuple(outputs))
            for observe in within.observers:
                outputs = observe(self, inputs, named, outputs)
        return outputs

    def _begin(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Be called from outside: a pass of its own."""
        within = Pass(self, (*inputs, *named.values()))
        token = _pass.set(within)
        try:
            return self(*inputs, **named)
        except BaseException:
            within.forget()
            raise
        finally:
            _pass.reset(token)

    # What forward hands to backward

    def save_for_backward(self, *values: Any) -> None:
        """Called at the end of `forward`. Under `no_grad` nothing is kept."""
        within = _pass.get() or Pass(self, ())  # where `forward` was called by itself
        if within is LOOKING:
            return
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
            first = grad_outputs[0]
            fits = type(first) is np.ndarray and saved.outputs == [(first.shape, first.dtype)]
            if fits and len(grad_outputs) == 1:  # as it nearly always is
                return self._saved.pop().values
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
            if gradient is None:
                continue
            if type(gradient) is np.ndarray and (gradient.shape, gradient.dtype) == output:
                continue
            several = isinstance(gradient, tuple | list)
            if several and isinstance(output, list):
                self._check_upstream(tuple(gradient), output)
                continue
            number = isinstance(gradient, int | float)
            if isinstance(output, list) or not (is_plain_array(gradient) or number):
                kind = f"{type(gradient).__name__}{f' of {len(gradient)}' if several else ''}"
                wanted = f"{len(output)} of them" if isinstance(output, list) else "a plain array"
                raise TypeError(f"{self!r}: upstream gradient is a {kind}, expected {wanted}")
            shape, dtype = output
            if getattr(gradient, "shape", ()) != shape:
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
        if type(x) is np.ndarray and (x.dtype is dtype or dtype is None) and x.dtype in FLOATS:
            return x
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
        if x.size and (x.min() < low or x.max() > high):
            wrong = (x < low) | (x > high)
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
        yield self
        for _, child in self.children():
            yield from child.modules()

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
        for module in self.modules():
            for value in vars(module).values():
                if isinstance(value, Parameter):
                    value.grad = None

    def train(self, mode: bool = True) -> "Module":
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        return self.train(False)

    def without_input_gradient(self) -> "Module":
        """From now on backward may spare the input's gradient, and return None in its place.

        For a network's first layer, whose input is data: nobody asks for that gradient, and it
        costs as much as the pass forward. The parameters' gradients stay what they are. Linear
        and recurrent layers and convolutions spare it, a network hands it on to its first layer,
        and where there is little to spare the gradient is returned as before.
        """
        self.input_gradient = False
        return self

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
        return state | {
            name: values for name, values, persistent in self._named_buffers() if persistent
        }

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
        current = self._state()
        loaded = {name: plain_array(name, values) for name, values in state_dict.items()}
        problems = [f"missing {name}" for name in current if name not in loaded]
        problems += [f"unexpected {name}" for name in loaded if name not in current]
        for name, wanted in current.items():
            values = loaded.get(name, wanted)
            if values.shape != wanted.shape:
                problems.append(f"{name} has shape {values.shape}, expected {wanted.shape}")
            elif values.dtype != wanted.dtype:
                problems.append(f"{name} is {values.dtype}, expected {wanted.dtype}")
        if problems:
            raise ValueError(f"{type(self).__name__}.load_state_dict: " + "; ".join(problems))
        for name, array in current.items():
            array[...] = loaded[name]

    # How it was made

    def arguments(self) -> dict[str, Any]:
        """The arguments with which the constructor makes this module again, but for its values."""
        arguments = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if name in ("device", "generator", "size_average", "reduce"):
                continue
            if name == "dtype":
                own = [p.data.dtype for p in self.parameters()]
                own += [
                    values.dtype for _, values in self.named_buffers() if values.dtype in FLOATS
                ]
                arguments[name] = own[0] if own else np.dtype(np.float32)
                continue
            value = getattr(self, name)
            if isinstance(parameter.default, bool):  # bias=True is kept as the bias itself
                value = value is not None and value is not False
            arguments[name] = value
        return arguments

    def __repr__(self) -> str:
        return constructor_call(type(self), self.arguments())


def constructor_call(cls: type, arguments: Mapping[str, Any]) -> str:
    """The call that makes it: required arguments by position, others where not the default."""
    written = []
    for name, parameter in inspect.signature(cls).parameters.items():
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
    return f"{cls.__name__}({', '.join(written)})"


def refuse(module: Module, **arguments: Any) -> None:
    """Raise NotImplementedError naming any argument that was given though it is not supported."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{type(module).__name__}: {name} is not supported")


def check_positive(module: Module, name: str, value: int) -> int:
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
