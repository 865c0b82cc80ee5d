"""What every layer is: a module that runs forward and backward.

A module's `forward` saves what its `backward` will need; `backward` takes it off again, last in,
first out. That order is the chain rule's own, so a module that is used twice in one forward pass
(tied weights, a recurrent cell) needs nothing more.

Which pass a backward goes back through, passes.py tells.

Backward reads the inputs and the weights as they are then. Noticing that one of them was changed in
place since forward would take a copy or a checksum of each, which costs a small layer more than
its own work: so do not.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .arrays import FLOATS, Array, as_tuple, cure, is_plain_array
from .hooks import Hook, RemovableHandle, register
from .passes import LOOKING, Pass, Saved, _pass, shapes_and_dtypes
from .tree import Tree


class Module(Tree):
    """The base of every layer, loss and network.

    A subclass gives `forward(*inputs)` and `backward(*grad_outputs)`. Attributes that are
    parameters or modules are found by themselves, in the order in which they were set. Each
    argument of the constructor is kept as an attribute of its own name. What a module consists of
    stands in tree.py.

    Raises:
        TypeError, ValueError, IndexError: by any layer or loss, for an input whose dtype, shape or
            values it cannot take; the message names the module, what it got and what it wanted.
        NotImplementedError: by any constructor, for an argument that only PyTorch has.
    """

    input_gradient: bool  # whether backward has to give the input's; see without_input_gradient

    def __init__(self) -> None:
        super().__init__()
        self.input_gradient = True
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
                f"{self.one_line()}: backward has no forward to go back through: "
                "none was run, it was run under no_grad, or backward was called for it already"
            )
        saved = self._saved[-1]
        if self._overtaken:
            waiting = "; ".join([*self._overtaken, str(saved.within)])
            saved.within.forget()
            raise RuntimeError(
                f"{self.one_line()}: several forward passes wait to be run backward ({waiting}), "
                "and it is not known which is meant; they are dropped. Run those that are only "
                "looked at under no_grad(); if all are to be run backward, last first, run them "
                "under keep_passes()"
            )
        if saved.outputs is not None and grad_outputs:
            first = grad_outputs[0]
            fits = type(first) is np.ndarray and saved.outputs == [(first.shape, first.dtype)]
            if fits and len(grad_outputs) == 1:  # as it nearly always is
                return self._saved.pop().values
            if all(gradient is None for gradient in grad_outputs):
                raise ValueError(f"{self.one_line()}: there is no upstream gradient")
            self._check_upstream(grad_outputs, saved.outputs)
        return self._saved.pop().values

    def _check_upstream(self, gradients: tuple[Any, ...], outputs: list[Any]) -> None:
        if len(gradients) != len(outputs):
            raise ValueError(
                f"{self.one_line()}: {len(gradients)} upstream gradients, "
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
                if several and not isinstance(output, list):
                    wanted += ": a loss of several inputs returns one for each, take the output's"
                raise TypeError(
                    f"{self.one_line()}: upstream gradient is a {kind}, expected {wanted}"
                )
            shape, dtype = output
            if getattr(gradient, "shape", ()) != shape:
                raise ValueError(
                    f"{self.one_line()}: upstream gradient of shape {np.shape(gradient)}, "
                    f"expected the output's {shape}"
                )
            if not number and gradient.dtype != dtype:
                raise TypeError(
                    f"{self.one_line()}: upstream gradient in {gradient.dtype}, "
                    f"expected the output's {dtype}" + cure("g", gradient.dtype, dtype)
                )

    def forget_passes(self) -> None:
        """Drop every forward pass that waits to be run backward through this module's parts."""
        for module in self.modules():
            module._saved, module._overtaken = [], []

    def check_array(self, x: Any, name: str = "input") -> None:
        """Raise TypeError unless `x` is a NumPy array or number, and no subclass of one."""
        if not is_plain_array(x):
            raise TypeError(
                f"{self.one_line()}: {name} is a {type(x).__name__}, expected a plain NumPy array"
                + ("" if isinstance(x, np.ndarray) else ": take np.asarray(x)")
            )

    def check_input(self, x: Any, dtype: DTypeLike | None = None, name: str = "input") -> Array:
        """`x`, if it is a floating array, of that dtype if one is given; else TypeError."""
        if type(x) is np.ndarray and (x.dtype is dtype or dtype is None) and x.dtype in FLOATS:
            return x
        self.check_array(x, name)
        if dtype is not None and x.dtype != dtype:
            raise TypeError(
                f"{self.one_line()}: {name} is {x.dtype}, expected {np.dtype(dtype)}"
                + cure(name, x.dtype, dtype)
            )
        if x.dtype not in FLOATS:
            raise TypeError(
                f"{self.one_line()}: {name} is {x.dtype}, expected a floating dtype"
                + cure(name, x.dtype, np.float32)
            )
        return x

    def check_indices(self, x: Any, name: str, low: int, high: int) -> None:
        """Raise unless `x` is an array of integers from `low` to `high`; the first other is named.

        Raises:
            TypeError: it is no array of integers.
            IndexError: one is out of range.
        """
        self.check_array(x, name)
        if x.dtype.kind not in "iu":
            raise TypeError(
                f"{self.one_line()}: {name} is {x.dtype}, expected integers"
                + cure(name, x.dtype, np.int64)
            )
        if x.size and (x.min() < low or x.max() > high):
            wrong = (x < low) | (x > high)
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise IndexError(
                f"{self.one_line()}: {name} has {x[place]} at {list(place)}, "
                f"expected {low} to {high}"
            )

    def without_input_gradient(self) -> Self:
        """From now on backward may spare the input's gradient, and return None in its place.

        For a network's first layer, whose input is data: nobody asks for that gradient, and it
        costs as much as the pass forward. The parameters' gradients stay what they are. Linear
        and recurrent layers and convolutions spare it, a network hands it on to its first layer,
        and where there is little to spare the gradient is returned as before.
        """
        self.input_gradient = False
        return self

    # Who watches

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, inputs)` before each forward, with its inputs as a tuple.

        Under `no_grad` what the hook returns takes the inputs' place.

        Args:
            hook: watches; see hooks.py.
            prepend: call it before the hooks that there are.
            with_kwargs: `hook(module, inputs, named)`, with those that were given by name too.
        """
        return register(self, "forward", True, hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, inputs, output)` after each forward; see register_forward_pre_hook.

        Under `no_grad` what the hook returns takes the output's place.
        """
        refuse(self, always_call=always_call)
        return register(self, "forward", False, hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_outputs)` before each backward, with a tuple.

        What it returns takes the upstream gradients' place.
        """
        return register(self, "backward", True, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_inputs, grad_outputs)` after each backward, with tuples.

        What it returns takes the place of the inputs' gradients.
        """
        return register(self, "backward", False, hook, prepend)


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
        raise IndexError(
            f"{module.one_line()}: input has {x.ndim} axes, dim {axis} is not one of them"
        )
