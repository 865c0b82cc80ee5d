"""Someone's backward pass, whatever its form, behind one pair of calls: forward, then backward.

Taken are: an object with `forward` and `backward`, of `manual` or of anyone's; two functions
`forward(x, …) -> y, cache` and `backward(dy, cache) -> gradients`, as courses write them; a
`torch.autograd.Function`; and an `nn.Module`. Parameters are found by their names, or by a map.
"""

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manual import Module
from manual.module import as_tuple

from .layouts import CandidateError, Layout, names_for
from .twin import to_numpy, to_torch

Array = np.ndarray


def called(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call someone's code; what it raises becomes one line that says where."""
    try:
        return function(*arguments)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
        at = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
        message = " ".join(str(error).split())
        raise CandidateError(f"{what} raised {type(error).__name__}{at}: {message}") from error


def as_array(what: str, value: Any) -> Array:
    """An array or tensor as an array; anything else is refused."""
    value = to_numpy(value)
    if isinstance(value, np.generic | float):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise CandidateError(f"{what} is a {type(value).__name__}, expected an array")
    if value.dtype.kind not in "fiub":
        raise CandidateError(f"{what} is an array of {value.dtype}, expected numbers")
    return value


class Candidate:
    """What every form has in common.

    Args:
        name: what it is called in messages.
        shapes: of the reference's parameters.
        layouts: where they stand, by the reference's name.
        inputs: the number of inputs; `floating`: which of them have a gradient.
    """

    def __init__(self, name: str, shapes: Mapping[str, tuple[int, ...]], floating: list[int]):
        self.name, self.shapes, self.floating = name, dict(shapes), floating
        self.layouts: dict[str, Layout] = {}
        self.settled: set[str] = set()  # parameters whose layout a map says
        self.partial = False  # a loss may leave out its target's gradient
        self.absent: list[str] = []  # parameters of the reference that it does without
        self.adds = False  # each backward adds to the gradients of the one before

    @property
    def takes_upstream(self) -> bool:
        """Whether backward is handed the gradient of the output; a loss's need not be."""
        return True

    def turned(self) -> list[str]:
        """Turn its square matrices round; the names of those that no map has settled."""
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
        """Where gradients accumulate, start again."""

    @property
    def parameters(self) -> dict[str, Array]:
        """Its parameters now, in the reference's layout."""
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
        found: dict[str, Array] = {}
        if values and isinstance(values[-1], Mapping):
            found |= self.read_named(values.pop())
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
            found[name] = self.in_layout(name, as_array(f"{where} for {name}", value))
        return found

    def read_named(self, given: Mapping[str, Any]) -> dict[str, Array]:
        found = {}
        for name in self.shapes:
            for key in self.gradient_names(name):
                if given.get(key) is not None:
                    array = as_array(f"{self.name}: the gradient of {name}", given[key])
                    found[name] = self.in_layout(name, array)
                    break
        for i in self.floating:
            for key in (f"input {i}", "dx" if i == 0 else f"dx{i}", "x" if i == 0 else f"x{i}"):
                if given.get(key) is not None:
                    found[f"input {i}"] = as_array(f"{self.name}: {key}", given[key])
        return found

    def in_layout(self, name: str, value: Array) -> Array:
        layout = self.layouts.get(name)
        return layout.to_reference(value, self.shapes[name]) if layout else value

    def gradient_names(self, name: str) -> list[str]:
        layout = self.layouts.get(name)
        own = layout.name if layout else name
        given = [layout.gradient] if layout and layout.gradient else []
        return [
            *given,
            *(f"{pre}{own}{post}" for pre, post in (("d", ""), ("grad_", ""), ("", "_grad"))),
            f"g{own}",
            f"d_{own}",
            own,
        ]

    def oriented(self, name: str, own: str, shape: tuple[int, ...] | None) -> Layout:
        """A layout read off the shape of what stands there: the same, or transposed."""
        wanted = self.shapes[name]
        flat = (wanted[0], int(np.prod(wanted[1:]))) if len(wanted) > 2 else wanted
        if shape in (None, wanted):
            return Layout(own)
        if shape == wanted[::-1]:
            return Layout(own, transposed=True)
        if shape in (flat, flat[::-1]):
            return Layout(own, flat=True, transposed=shape == flat[::-1])
        if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
            return Layout(own, shape=shape)
        raise CandidateError(
            f"{self.name}: {own} has the shape {shape}, {name} of the reference has {wanted}; "
            "a map says how they belong together"
        )


class ModuleCandidate(Candidate):
    """A module of `manual`, or any object whose `named_parameters` have `.data` and `.grad`."""

    def __init__(self, module: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self.module = module
        own = {n: tuple(p.data.shape) for n, p in module.named_parameters()}
        if own != self.shapes:
            raise CandidateError(
                f"{self.name}: its parameters are {own}, the reference's {self.shapes}"
            )

    def load(self, parameters: Mapping[str, Array]) -> None:
        some = next(iter(parameters.values()), None)
        if some is not None and hasattr(self.module, "to"):
            self.module.to(some.dtype)
        for name, parameter in self.module.named_parameters():
            parameter.data[...] = parameters[name]

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        if isinstance(self.module, Module):
            self.module.forget_passes()  # of a check that has no use for their backward
        return self.read_outputs(called(f"{self.name}.forward", self.module, *inputs))

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        returned = called(f"{self.name}.backward", self.module.backward, *upstream)
        found = {}
        if returned is not None or self.floating:
            found = self.read_gradients(returned)
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                if parameter.grad is None:
                    raise CandidateError(f"{self.name}: the gradient of {name} is None")
                found[name] = as_array(f"{self.name}: the gradient of {name}", parameter.grad)
        return found

    def zero_grad(self) -> None:
        self.module.zero_grad()

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: p.data for name, p in self.module.named_parameters()}


class ObjectCandidate(Candidate):
    """Any object with `forward` and `backward`; its parameters are attributes, or in a dict."""

    def __init__(self, made: Any, *rest: Any, layouts: Mapping[str, Layout]) -> None:
        super().__init__(*rest)
        self.made = made
        counts: dict[str, int] = {}
        for name in self.shapes:
            stem = name.rpartition(".")[2]
            position = counts.get(stem, 0)
            counts[stem] = position + 1
            if name in layouts and layouts[name].name:
                self.layouts[name] = layouts[name]
                self.settled.add(name)
                self.holder(layouts[name].name)
                continue
            names = [n for n in names_for(name, position) if self.find(n) is not None]
            taken = {layout.name for layout in self.layouts.values()}
            names = [n for n in names if n not in taken]
            if name in layouts or (not names and "bias_hh" in name):
                self.absent.append(name)  # courses have one bias where PyTorch has two
                continue
            if not names:
                raise CandidateError(
                    f"{self.name} has no parameter {name}: looked for "
                    f"{', '.join(names_for(name, position))}; a map can name it"
                )
            shape = tuple(np.shape(self.holder(names[0])[names[0]]))
            self.layouts[name] = self.oriented(name, names[0], shape)
        for name in self.absent:
            del self.shapes[name]

    @property
    def takes_upstream(self) -> bool:
        return len(inspect.signature(self.made.backward).parameters) > 0

    def find(self, name: str) -> Mapping[str, Any] | None:
        for place in (vars(self.made), *(getattr(self.made, k, None) for k in ("params", "grads"))):
            if isinstance(place, Mapping) and isinstance(place.get(name), np.ndarray | float):
                return place
        return None

    def holder(self, name: str) -> Any:
        place = self.find(name)
        if place is None:
            raise CandidateError(f"{self.name} has no array {name}")
        return place

    def load(self, parameters: Mapping[str, Array]) -> None:
        for name, layout in self.layouts.items():
            place = self.holder(layout.name)
            value = layout.to_mine(parameters[name])
            held = place[layout.name]
            if isinstance(held, np.ndarray) and (held.shape, held.dtype) == (
                value.shape,
                value.dtype,
            ):
                held[...] = value  # it may be a view into an array of all parameters
            else:
                place[layout.name] = value

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        return self.read_outputs(called(f"{self.name}.forward", self.made.forward, *inputs))

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        given = upstream if self.takes_upstream else ()
        returned = called(f"{self.name}.backward", self.made.backward, *given)
        many = isinstance(returned, tuple) and len(returned) > len(self.floating)
        found = self.read_gradients(returned, extra=many)
        for name in self.shapes:
            if name in found:
                continue
            value = self.held_gradient(name)
            if value is None:
                names = self.gradient_names(name)[:-1]
                raise CandidateError(
                    f"{self.name} has no gradient of {name} after backward: looked for "
                    f"{', '.join(names)}"
                )
            array = as_array(f"{self.name}: the gradient of {name}", value)
            found[name] = self.in_layout(name, array)
        return found

    def held_gradient(self, name: str) -> Any:
        """The gradient of a parameter that stands in an attribute, or in a dict of them."""
        place, key = self.gradient_place(name)
        return None if place is None else place[key]

    def gradient_place(self, name: str) -> tuple[Any, str]:
        names = self.gradient_names(name)
        grads: Any = getattr(self.made, "grads", None)
        own = vars(self.made)
        for key in names[:-1]:
            if key in own:
                return own, key
        for key in names if isinstance(grads, dict) else ():
            if key in grads:
                return grads, key
        return None, ""

    def zero_grad(self) -> None:
        if hasattr(self.made, "zero_grad"):
            called(f"{self.name}.zero_grad", self.made.zero_grad)
        elif self.adds:
            for name, layout in self.layouts.items():
                place, key = self.gradient_place(name)
                if place is not None:
                    place[key] = np.zeros_like(self.holder(layout.name)[layout.name])

    @property
    def parameters(self) -> dict[str, Array]:
        return {
            name: self.in_layout(name, self.holder(layout.name)[layout.name])
            for name, layout in self.layouts.items()
        }


class FunctionsCandidate(Candidate):
    """`forward(x, params) -> y, cache` or `forward(x, w, b, …)`, and `backward(dy, cache)`."""

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *rest: Any,
        inputs: int,
        layouts: Mapping[str, Layout],
        extra: Sequence[Any] = (),
    ) -> None:
        super().__init__(*rest)
        self.functions = forward, backward
        self.extra = tuple(extra)
        wanted = [
            p.name
            for p in inspect.signature(forward).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        own = wanted[inputs : len(wanted) - len(self.extra)]
        looks = len(own) == 1 and own[0].lower().startswith(("par", "p", "theta", "weights"))
        self.as_dict = bool(self.shapes) and len(own) == 1 and (len(self.shapes) > 1 or looks)
        if not self.as_dict and len(own) != len(self.shapes):
            raise CandidateError(
                f"{self.name}: forward takes {', '.join(wanted)}; expected {inputs} inputs, then "
                f"one argument for each of {', '.join(self.shapes) or 'no parameters'}, or a dict "
                f"of them{', then ' + str(len(self.extra)) + ' more' if self.extra else ''}"
            )
        for position, name in enumerate(self.shapes):
            called_ = name if self.as_dict else own[position]
            self.layouts[name] = layouts.get(name) or Layout(called_)
        self.given: dict[str, Array] = {}
        self.cache: Any = None
        self.sure = bool(layouts) or not self.shapes

    def restore(self, parameters: Mapping[str, Array]) -> None:
        """They are handed to it in every call: there is nothing to give back."""

    def load(self, parameters: Mapping[str, Array]) -> None:
        self.reference = dict(parameters)
        self.given = {n: self.layouts[n].to_mine(value) for n, value in parameters.items()}

    def turn(self, inputs: Sequence[Any], outputs: Sequence[tuple[int, ...]]) -> None:
        """Find out whether their matrices lie as PyTorch's do, or transposed: run and see."""
        if self.sure:
            return
        self.sure = True
        matrices = [n for n, shape in self.shapes.items() if len(shape) > 1]
        tries: list[dict[str, Layout]] = [{}]
        tries.append({n: Layout(self.layouts[n].name, transposed=True) for n in matrices})
        deep = [n for n in matrices if len(self.shapes[n]) > 2]
        if deep:
            tries.append({n: Layout(self.layouts[n].name, flat=True) for n in deep})
        kept, errors = self.layouts, []
        for changed in tries:
            self.layouts = {**kept, **changed}
            self.load(self.reference)
            try:
                found = self.forward(inputs)
            except CandidateError as error:
                errors.append(error)
                continue
            if [y.shape for y in found] == list(outputs):
                return
        self.layouts = kept
        self.load(self.reference)
        if len(errors) == len(tries):
            raise errors[0]

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        names = {layout.name: self.given[name] for name, layout in self.layouts.items()}
        given = [names] if self.as_dict else list(names.values())
        returned = called(f"{self.name}: forward", self.functions[0], *inputs, *given, *self.extra)
        if not isinstance(returned, tuple) or len(returned) < 2:
            raise CandidateError(f"{self.name}: forward must return (y, cache)")
        *outputs, self.cache = returned
        return self.read_outputs(tuple(outputs))

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        backward = self.functions[1]
        returned = called(f"{self.name}: backward", backward, *upstream, self.cache)
        found = self.read_gradients(returned, extra=True)
        missing = [name for name in self.shapes if name not in found]
        if missing:
            raise CandidateError(
                f"{self.name}: backward returned no gradient of {', '.join(missing)}; expected "
                f"(dx, {', '.join('d' + layout.name for layout in self.layouts.values())}) or "
                "(dx, a dict of them)"
            )
        return found

    @property
    def parameters(self) -> dict[str, Array]:
        return {n: self.in_layout(n, value) for n, value in self.given.items()}


class TorchCandidate(Candidate):
    """A `torch.autograd.Function`, which takes the parameters after the inputs; or an nn.Module."""

    def __init__(self, made: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self.made = made
        self.is_module = isinstance(made, torch.nn.Module)
        self.leaves: dict[str, torch.Tensor] = {}

    def restore(self, parameters: Mapping[str, Array]) -> None:
        """A module is called with the reference's parameters; its own are not touched."""

    def load(self, parameters: Mapping[str, Array]) -> None:
        self.leaves = {name: to_torch(value).requires_grad_() for name, value in parameters.items()}

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        self.tensors = [
            x.clone() if torch.is_tensor(x) else torch.from_numpy(x) if isinstance(x, Array) else x
            for x in inputs
        ]
        for i in self.floating:
            self.tensors[i].requires_grad_()
        if self.is_module:
            arguments: tuple[Any, ...] = (self.made, self.leaves, tuple(self.tensors))
            returned = called(f"{self.name}.forward", torch.func.functional_call, *arguments)
        else:
            arguments = (*self.tensors, *self.leaves.values())
            returned = called(f"{self.name}.forward", self.made.apply, *arguments)
        self.outputs = as_tuple(returned)
        return self.read_outputs(returned)

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        leaves = {f"input {i}": self.tensors[i] for i in self.floating} | self.leaves
        for leaf in leaves.values():
            leaf.grad = None
        pairs = [
            (out, to_torch(g))
            for out, g in zip(self.outputs, upstream, strict=True)
            if out.requires_grad
        ]
        if not pairs:
            raise CandidateError(f"{self.name}: its output has no gradient")
        outputs, grads = zip(*pairs, strict=True)
        called(f"{self.name}.backward", torch.autograd.backward, outputs, grads)
        found = {}
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                found[name] = as_array(name, leaf.grad)
            elif not (self.partial and name != "input 0"):
                raise CandidateError(f"{self.name}: the gradient of {name} is None")
        return found

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: as_array(name, leaf) for name, leaf in self.leaves.items()}


def candidate(
    mine: Any,
    shapes: Mapping[str, tuple[int, ...]],
    inputs: Sequence[Any],
    layouts: Mapping[str, str] | None = None,
    extra: Sequence[Any] = (),
) -> Candidate:
    """Put what was handed in behind the common face.

    Args:
        mine: an object, a pair of functions, a `torch.autograd.Function` or an `nn.Module`.
        shapes: of the reference's parameters, by name.
        inputs: as they will be handed to it.
        layouts: by the reference's name, where a parameter stands in it; see `Layout`.
        extra: further arguments for a course-style forward, after the parameters.
    Raises:
        CandidateError: it is none of these, or lacks something.
    """
    floating = [i for i, x in enumerate(inputs) if np.asarray(to_numpy(x)).dtype.kind == "f"]
    parsed = {name: Layout.parse(text) for name, text in (layouts or {}).items()}
    for name in parsed:
        if name not in shapes:
            known = ", ".join(shapes) or "no parameters"
            raise CandidateError(f"map {name}: the reference has {known}")
    if isinstance(mine, tuple) and len(mine) == 2 and all(map(callable, mine)):
        name = getattr(mine[0], "__name__", "forward")
        rest = (name, shapes, floating)
        return FunctionsCandidate(*mine, *rest, inputs=len(inputs), layouts=parsed, extra=extra)
    if extra:
        raise CandidateError("further arguments (--extra) are for forward and backward functions")
    is_torch = isinstance(mine, torch.nn.Module) or (
        isinstance(mine, type) and issubclass(mine, torch.autograd.Function)
    )
    if is_torch and parsed:
        raise CandidateError("a map is for NumPy code: here the parameters are the reference's")
    if isinstance(mine, type) and issubclass(mine, torch.autograd.Function):
        return TorchCandidate(mine, mine.__name__, shapes, floating)
    name = mine.__name__ if isinstance(mine, type) else type(mine).__name__
    if isinstance(mine, torch.nn.Module):
        return TorchCandidate(mine, name, shapes, floating)
    for method in ("forward", "backward"):
        if isinstance(mine, type) or not callable(getattr(mine, method, None)):
            what = f"the class {name}" if isinstance(mine, type) else name
            raise CandidateError(
                f"{what} cannot be checked: expected an object with forward and backward, a pair "
                "of functions (forward, backward), a torch.autograd.Function or an nn.Module"
            )
    if hasattr(mine, "named_parameters") and not parsed:
        return ModuleCandidate(mine, name, shapes, floating)
    return ObjectCandidate(mine, name, shapes, floating, layouts=parsed)
