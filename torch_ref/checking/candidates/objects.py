"""Someone's objects with `forward` and `backward`."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manual import Module

from ..layouts import CandidateError, Layout, names_for
from .base import Array, Candidate, as_array, call_code


class ModuleCandidate(Candidate):
    """A module of `manual`, or any object whose `named_parameters` have `.data` and `.grad`."""

    def __init__(self, module: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self.module = module
        shapes = {n: tuple(p.data.shape) for n, p in module.named_parameters()}
        if shapes != self.shapes:
            raise CandidateError(
                f"{self.name}: its parameters are {shapes}, the reference's {self.shapes}"
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
        return self.read_outputs(call_code(f"{self.name}.forward", self.module, *inputs))

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        returned = call_code(f"{self.name}.backward", self.module.backward, *upstream)
        gradients = {}
        if returned is not None or self.floating:
            gradients = self.read_gradients(returned)
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                if parameter.grad is None:
                    raise CandidateError(f"{self.name}: the gradient of {name} is None")
                gradients[name] = as_array(f"{self.name}: the gradient of {name}", parameter.grad)
        return gradients

    def zero_grad(self) -> None:
        self.module.zero_grad()

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: p.data for name, p in self.module.named_parameters()}


class ObjectCandidate(Candidate):
    """Any object with `forward` and `backward`; its parameters are attributes, or in a dict."""

    def __init__(self, code: Any, *rest: Any, layouts: Mapping[str, Layout]) -> None:
        super().__init__(*rest)
        self.code, self.scalar = code, False
        counts: dict[str, int] = {}
        for name in self.shapes:
            stem = name.rpartition(".")[2]
            position = counts.get(stem, 0)
            counts[stem] = position + 1
            if name in layouts and layouts[name].name:
                self.layouts[name] = self.with_axes_of_one(name, layouts[name])
                self.settled.add(name)
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
            self.layouts[name] = self.layout_from_shape(name, names[0], shape)
        for name in self.absent:
            del self.shapes[name]

    @property
    def takes_upstream(self) -> bool:
        return bool(self.upstream_arguments) and not self.optional_upstream

    @property
    def optional_upstream(self) -> str:
        first = next(iter(self.upstream_arguments), None)
        at_an_end = self.scalar and first is not None and first.default is not first.empty
        return first.name if at_an_end and first is not None else ""

    @property
    def upstream_arguments(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.code.backward).parameters.values())

    def with_axes_of_one(self, name: str, layout: Layout) -> Layout:
        """The layout that a map tells, of an array with axes of length 1 more, or fewer."""
        shape = np.shape(self.holder(layout.name)[layout.name])
        wanted = layout.shape_of_mine(self.shapes[name])
        same = [n for n in shape if n != 1] == [n for n in wanted if n != 1]
        return replace(layout, shape=shape) if same and shape != wanted else layout

    def find(self, name: str) -> Mapping[str, Any] | None:
        for place in (vars(self.code), *(getattr(self.code, k, None) for k in ("params", "grads"))):
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
            array = place[layout.name]
            if isinstance(array, np.ndarray) and (array.shape, array.dtype) == (
                value.shape,
                value.dtype,
            ):
                array[...] = value  # it may be a view into an array of all parameters
            else:
                place[layout.name] = value

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        returned = call_code(f"{self.name}.forward", self.code.forward, *inputs)
        outputs = self.read_outputs(returned)
        self.scalar = all(not y.ndim for y in outputs)
        return outputs

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        return self.backward_of(upstream if self.takes_upstream else ())

    def backward_of(self, arguments: Sequence[Array]) -> dict[str, Array]:
        returned = call_code(f"{self.name}.backward", self.code.backward, *arguments)
        many = isinstance(returned, tuple) and len(returned) > len(self.floating)
        gradients: dict[str, Array] = {}
        if returned is None and self.shapes:  # a whole network's
            self.silent = [f"input {i}" for i in self.floating]
        else:
            gradients = self.read_gradients(returned, extra=many)
        for name in self.shapes:
            if name in gradients:
                continue
            value = self.held_gradient(name)
            if value is None:
                names = self.gradient_names(name)[:-1]
                raise CandidateError(
                    f"{self.name} has no gradient of {name} after backward: looked for "
                    f"{', '.join(names)}"
                )
            array = as_array(f"{self.name}: the gradient of {name}", value)
            gradients[name] = self.in_layout(name, array)
        return gradients

    def held_gradient(self, name: str) -> Any:
        """The gradient of a parameter that stands in an attribute, or in a dict of them."""
        place, key = self.gradient_place(name)
        return None if place is None else place[key]

    def gradient_place(self, name: str) -> tuple[Any, str]:
        names = self.gradient_names(name)
        grads: Any = getattr(self.code, "grads", None)
        attributes = vars(self.code)
        for key in names[:-1]:
            if key in attributes:
                return attributes, key
        for key in names if isinstance(grads, dict) else ():
            if key in grads:
                return grads, key
        return None, ""

    def zero_grad(self) -> None:
        if hasattr(self.code, "zero_grad"):
            call_code(f"{self.name}.zero_grad", self.code.zero_grad)
        elif self.adds:
            for name, layout in self.layouts.items():
                place, key = self.gradient_place(name)
                if place is not None:
                    place[key] = np.zeros_like(self.holder(layout.name)[layout.name])

    @property
    def parameters(self) -> dict[str, Array]:
        return {
            name: self.in_layout(name, np.asarray(self.holder(layout.name)[layout.name]))
            for name, layout in self.layouts.items()
        }
