"""Two functions as courses write them: forward returns a cache, backward takes it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..layouts import CandidateError, Layout
from .base import Array, Candidate, called


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
