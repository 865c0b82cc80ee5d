"""What every form of someone's code has in common: how its results are read."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from manual.arrays import as_tuple

from ...safe_files import one_line
from ...twin import to_numpy
from ..layouts import Array, CandidateError, Layout


def call_code(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call someone's code; what it raises becomes one line that says where."""
    try:
        return function(*arguments)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
        at = f" at {Path(theirs[-1].filename).name}:{theirs[-1].lineno}" if theirs else ""
        message = f"{name} raised {type(error).__name__}{at}: {one_line(error)}"
        raise CandidateError(message) from error


def as_array(name: str, value: Any) -> Array:
    """An array or tensor as an array; anything else is refused."""
    value = to_numpy(value)
    if isinstance(value, np.generic | float):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise CandidateError(f"{name} is a {type(value).__name__}, expected an array")
    if value.dtype.kind not in "fiub":
        raise CandidateError(f"{name} is an array of {value.dtype}, expected numbers")
    return value


class Candidate:
    """Someone's code, whatever its form: the base of the forms.

    Args:
        name: what it is called in messages.
        shapes: of the reference's parameters.
        floating: which of the inputs have a gradient.

    Attributes:
        layouts: where the parameters stand, by the reference's name.
    """

    def __init__(self, name: str, shapes: Mapping[str, tuple[int, ...]], floating: list[int]):
        self.name, self.shapes, self.floating = name, dict(shapes), floating
        self.layouts: dict[str, Layout] = {}
        self.settled: set[str] = set()  # parameters whose layout a map says
        self.partial = False  # a loss may leave out its target's gradient
        self.absent: list[str] = []  # parameters of the reference that it does without
        self.silent: list[str] = []  # inputs whose gradients a whole network does not return
        self.arguments: list[str] = []  # what the inputs are called
        self.misfits: dict[str, str] = {}  # gradients that do not have their own array's shape
        self.adds = False  # each backward adds to the gradients of the one before

    @property
    def takes_upstream(self) -> bool:
        """Whether backward is handed the gradient of the output; a loss's need not be."""
        return True

    @property
    def runs_back_again(self) -> bool:
        """Whether it must allow a second backward over the same forward, as PyTorch code does."""
        return False

    @property
    def optional_upstream(self) -> str:
        """The argument of backward for the output's gradient, if it has a default: 1, at an end."""
        return ""

    def backward_of(self, upstream: Sequence[Array]) -> dict[str, Array]:
        """The gradients, an optional upstream gradient handed in."""
        raise NotImplementedError(f"{type(self).__name__} has no optional upstream gradient")

    def transpose_square(self) -> list[str]:
        """Read its square matrices transposed, but those that a map has settled; the names."""
        names = [
            name
            for name, layout in self.layouts.items()
            if name not in self.settled
            and len(set(self.shapes[name])) == 1 < len(self.shapes[name])
        ]
        for name in names:
            layout = self.layouts[name]
            self.layouts[name] = replace(layout, transposed=not layout.transposed)
        return names

    def load(self, parameters: Mapping[str, Array]) -> None:
        """Give it the reference's numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no load")

    def restore(self, parameters: Mapping[str, Array]) -> None:
        """Give it its own numbers back."""
        if parameters:
            self.load(parameters)

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        """The gradients, by the reference's names: "input 0" …, and the parameters'."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def zero_grad(self) -> None:
        """Start again where gradients accumulate."""

    @property
    def parameters(self) -> dict[str, Array]:
        """The code's parameters as they are now, in the reference's layout."""
        return {}

    # ---- reading what it returned

    def read_outputs(self, returned: Any) -> list[Array]:
        return [as_array(f"{self.name}: what forward returned", y) for y in as_tuple(returned)]

    def read_gradients(self, returned: Any, extra: bool = False) -> dict[str, Array]:
        """What backward returned: input gradients, then perhaps the parameters'."""
        names = [f"input {i}" for i in self.floating]
        where = f"{self.name}: what backward returned"
        if isinstance(returned, Mapping):
            return self.read_named(returned)
        values = list(returned) if isinstance(returned, tuple) else [returned]
        gradients: dict[str, Array] = {}
        if values and isinstance(values[-1], Mapping):
            gradients |= self.read_named(values.pop())
        elif extra:
            names += list(self.shapes)
        if len(values) > len(names) and len(values) == max(self.floating, default=0) + 1:
            values = [values[i] for i in self.floating]  # None where there is no gradient
        short = len(values) < len(names)
        allowed = (self.partial and 0 < len(values)) or (
            extra and len(values) == len(self.floating)
        )
        if len(values) > len(names) or (short and not allowed):
            raise CandidateError(
                f"{where} has {len(values)} gradients, expected {len(names)}: {', '.join(names)}"
            )
        for name, value in zip(names, values, strict=False):
            if value is None:
                if self.partial and name != names[0]:
                    continue
                raise CandidateError(f"{where} is None for the gradient of {name}")
            gradients[name] = self.in_layout(name, as_array(f"{where} for {name}", value))
        return gradients

    def read_named(self, named: Mapping[str, Any]) -> dict[str, Array]:
        gradients = {}
        for name in self.shapes:
            for key in self.gradient_names(name):
                if named.get(key) is not None:
                    array = as_array(f"{self.name}: the gradient of {name}", named[key])
                    gradients[name] = self.in_layout(name, array)
                    break
        for i in self.floating:
            for key in self.names_of_input(i):
                if named.get(key) is not None:
                    gradients[f"input {i}"] = as_array(f"{self.name}: {key}", named[key])
        return gradients

    def names_of_input(self, i: int) -> list[str]:
        """What the gradient of an input may be called in a dict."""
        argument = self.arguments[i : i + 1]
        called = [f"{pre}{name}" for name in argument for pre in ("d", "d_", "grad_")]
        return [f"input {i}", "dx" if i == 0 else f"dx{i}", "x" if i == 0 else f"x{i}", *called]

    def in_layout(self, name: str, value: Array) -> Array:
        layout = self.layouts.get(name)
        if layout is None:
            return value
        wanted = layout.shape_of_mine(self.shapes[name])
        self.misfits.pop(name, None)
        if value.shape != wanted:
            self.misfits[name] = f"shape {value.shape}, expected {wanted}"
        return layout.to_reference(value, self.shapes[name])

    def gradient_names(self, name: str) -> list[str]:
        layout = self.layouts.get(name)
        array = layout.name if layout else name
        mapped = [layout.gradient] if layout and layout.gradient else []
        return [
            *mapped,
            *(f"{pre}{array}{post}" for pre, post in (("d", ""), ("grad_", ""), ("", "_grad"))),
            f"g{array}",
            f"d_{array}",
            array,
        ]

    def layout_from_shape(self, name: str, array: str, shape: tuple[int, ...] | None) -> Layout:
        """How someone's array lies, by its shape: as the reference's, transposed, flattened."""
        wanted = self.shapes[name]
        flat = (wanted[0], int(np.prod(wanted[1:]))) if len(wanted) > 2 else wanted
        if shape in (None, wanted):
            return Layout(array)
        if shape == wanted[::-1]:
            return Layout(array, transposed=True)
        if shape in (flat, flat[::-1]):
            return Layout(array, flat=True, transposed=shape == flat[::-1])
        if len(wanted) > 2 and shape == (*wanted[2:], wanted[1], wanted[0]):
            return Layout(array, kernel_first=True)
        if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
            return Layout(array, shape=shape)
        raise CandidateError(
            f"{self.name}: {array} has the shape {shape}, {name} of the reference has {wanted}; "
            "a map says how they belong together"
        )
