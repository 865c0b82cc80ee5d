"""Two functions as courses write them: forward returns a cache, backward takes it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..layouts import CandidateError, Layout
from .base import Array, Candidate, call_code


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
        self.arguments = wanted[:inputs]
        names = wanted[inputs : len(wanted) - len(self.extra)]
        starts = ("par", "p", "theta", "weights")
        looks_like_dict = len(names) == 1 and names[0].lower().startswith(starts)
        several_in_one = len(names) == 1 < len(self.shapes)
        self.as_dict = bool(self.shapes) and (several_in_one or looks_like_dict)
        if not self.as_dict and len(names) != len(self.shapes):
            raise CandidateError(
                f"{self.name}: forward takes {', '.join(wanted)}; expected {inputs} inputs, then "
                f"one argument for each of {', '.join(self.shapes) or 'no parameters'}, or a dict "
                f"of them{', then ' + str(len(self.extra)) + ' more' if self.extra else ''}"
            )
        for position, name in enumerate(self.shapes):
            array = name if self.as_dict else names[position]
            self.layouts[name] = layouts.get(name) or Layout(array)
        self.arrays: dict[str, Array] = {}
        self.cache: Any = None
        self.sure = bool(layouts) or not self.shapes

    def restore(self, parameters: Mapping[str, Array]) -> None:
        """Nothing: the parameters are handed to the functions in every call."""

    def load(self, parameters: Mapping[str, Array]) -> None:
        self.reference = dict(parameters)
        self.arrays = {n: self.layouts[n].to_mine(value) for n, value in parameters.items()}

    def orient(self, inputs: Sequence[Any], outputs: Sequence[tuple[int, ...]]) -> None:
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
        layouts, errors = self.layouts, []
        for changed in tries:
            self.layouts = {**layouts, **changed}
            self.load(self.reference)
            try:
                returned = self.forward(inputs)
            except CandidateError as error:
                errors.append(error)
                continue
            if [y.shape for y in returned] == list(outputs):
                return
        self.layouts = layouts
        self.load(self.reference)
        if len(errors) == len(tries):
            raise errors[0]

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        names = {layout.name: self.arrays[name] for name, layout in self.layouts.items()}
        parameters = [names] if self.as_dict else list(names.values())
        returned = call_code(
            f"{self.name}: forward", self.functions[0], *inputs, *parameters, *self.extra
        )
        if not isinstance(returned, tuple) or len(returned) < 2:
            raise CandidateError(f"{self.name}: forward must return (y, cache)")
        *outputs, self.cache = returned
        return self.read_outputs(tuple(outputs))

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        backward = self.functions[1]
        returned = call_code(f"{self.name}: backward", backward, *upstream, self.cache)
        gradients = self.read_gradients(returned, extra=True)
        missing = [name for name in self.shapes if name not in gradients]
        if missing:
            raise CandidateError(
                f"{self.name}: backward returned no gradient of {', '.join(missing)}; expected "
                f"(dx, {', '.join('d' + layout.name for layout in self.layouts.values())}) or "
                "(dx, a dict of them)"
            )
        return gradients

    @property
    def parameters(self) -> dict[str, Array]:
        return {n: self.in_layout(n, value) for n, value in self.arrays.items()}
