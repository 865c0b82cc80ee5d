"""An object with a forward and a backward, under whatever names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..candidates.base import call_code
from ..layouts import CandidateError
from .handed import Handed
from .programs import (
    Forwarded,
    Program,
    attribute_of,
    floats_in,
    grouped,
    parameters_of,
    required,
    roles_of,
)
from .words import OUTPUTS, SWITCHES


class ObjectProgram(Program):
    """An object with a method that runs forward and one that runs backward."""

    def __init__(self, root: Any, handed: Handed, forward: str, backward: str) -> None:
        self.methods = forward, backward
        run, back = getattr(root, forward), getattr(root, backward)
        super().__init__(type(root).__name__, root, handed, run, back)
        names = [p.name for p in parameters_of(run)]
        needed = required(back)
        # `backward(input, grad_output)`, or `backward(x)` of somebody who calls a gradient x.
        known = names if len(needed) > 1 and needed[:1] == names[:1] else names[1:]
        self.roles = roles_of(back, known, handed.more)
        if handed.more:  # a method that is handed the target as well: of the loss's gradient
            self.roles = [replace(r, kind="input") if r.name in names else r for r in self.roles]
        self.ends = not any(r.required for r in self.roles if r.kind == "upstream")
        self.takes_upstream = not self.ends
        # A loss's `backward(dvalues, y_true)` is handed what its forward was.
        same = [a == b for a, b in zip(needed, names, strict=False)]
        self.as_forward = len(needed) == len(required(run)) > 1 and any(same) and not handed.more
        self.of_output = False  # … or, for what comes in, what forward has put out
        self.extra = [n for n in required(run) if n in SWITCHES]
        self.marked = self.tensors and self.ends and "g" in names_in(back)

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        taken = self.taken(inputs)
        switches = {name: SWITCHES[name] for name in self.extra[: self.missing(taken)]}
        method = getattr(root, self.methods[0])
        before = {name: id(getattr(root, name)) for name in attribute_of(root)}
        called = f"{self.name}.{self.methods[0]}"
        returned = call_code(called, lambda: method(*taken, **switches))
        cache = None
        if any(r.kind == "cache" for r in self.roles) and isinstance(returned, tuple):
            *returned, cache = returned
        outputs = floats_in(returned)
        groups = [len(floats_in(part)) for part in returned] if isinstance(returned, tuple) else []
        if returned is None:
            kept = [
                getattr(root, name)
                for name in attribute_of(root)
                if before.get(name) != id(getattr(root, name))
            ]
            outputs = floats_in(kept[:1])
        if not outputs:
            raise CandidateError(f"{called} gives no array of floating-point numbers")
        if self.as_forward and outputs[0].ndim < taken[0].ndim:
            self.ends = True
        # `backward(dout=1)`: nothing comes after a loss.
        wanted = any(r.kind == "upstream" for r in self.roles)
        scalar = all(not getattr(y, "ndim", 0) for y in outputs)
        self.takes_upstream = self.marked or (
            wanted and not (self.ends and (scalar or self.as_forward))
        )
        return Forwarded(outputs, cache, groups)

    def missing(self, taken: Sequence[Any]) -> int:
        """How many of forward's arguments are not handed in."""
        return max(0, len(required(getattr(self.root, self.methods[0]))) - len(taken))

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        method = getattr(root, self.methods[1])
        called = f"{self.name}.{self.methods[1]}"
        taken = self.taken(inputs)
        if self.as_forward and self.ends:
            first = self.put_out(root, taken[0]) if self.of_output else taken[0]
            return call_code(called, method, first, *taken[1:])
        names = [p.name for p in parameters_of(getattr(root, self.methods[0]))]
        by_name = dict(zip(names, taken, strict=False)) | self.more(inputs)
        left = grouped(upstream, done.groups) if len(done.groups) > 1 else list(upstream)
        outputs = list(done.outputs)
        if self.marked:
            for y, g in zip(done.outputs, upstream, strict=True):
                y.g = g
        arguments: dict[str, Any] = {}
        for role in self.roles:
            if role.kind == "rate" and not role.required:
                self.rate = role.default if isinstance(role.default, float) else None
            elif role.kind == "rate":
                arguments[role.name] = self.rate = lr
            elif role.kind == "cache":
                arguments[role.name] = done.cache
            elif role.name in by_name:
                arguments[role.name] = by_name[role.name]
            elif role.kind == "output" and outputs:
                arguments[role.name] = outputs.pop(0)
            elif role.kind == "upstream" and left and (role.required or self.takes_upstream):
                arguments[role.name] = left.pop(0)
            elif role.required:
                wanted = ", ".join(r.name for r in self.roles)
                raise CandidateError(
                    f"{called} takes {wanted}: no {role.name} was handed in. If it is a target, "
                    f"hand it in too, as --input {role.name}=5,1"
                )
        return call_code(called, lambda: method(**arguments))

    def put_out(self, root: Any, like: Any) -> Any:
        """What forward has kept as its output, of the shape of what came in."""
        fits = [
            getattr(root, name)
            for name in attribute_of(root, OUTPUTS)
            if getattr(getattr(root, name), "shape", None) == like.shape
        ]
        if not fits:
            raise CandidateError(f"{self.name} keeps no output of the shape {like.shape}")
        return fits[0]


class LocalDerivative(Program):
    """A function and its derivative, which somebody else multiplies by what comes in.

    Args:
        of_output: whether the derivative is a function of the function's value.
    """

    def __init__(
        self, name: str, root: Any, handed: Handed, pair: tuple[Any, Any], of_output: bool
    ) -> None:
        super().__init__(name, root, handed, *(self.bound(root, one) for one in pair))
        self.pair, self.of_output = pair, of_output
        of = "of the function's value" if of_output else "of its argument"
        self.meaning = (
            f"{pair[1] if isinstance(pair[1], str) else pair[1].__name__} is taken for the "
            f"derivative, {of}; what comes in is multiplied by it"
        )

    def bound(self, root: Any, one: Any) -> Any:
        return getattr(root, one) if isinstance(one, str) else one

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        taken = self.taken(inputs)
        returned = call_code(self.name, self.bound(root, self.pair[0]), *taken)
        return Forwarded(floats_in(returned))

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        taken = self.taken(inputs)
        given = [done.outputs[0], *taken[1:]] if self.of_output else taken
        function = self.bound(root, self.pair[1])
        local = call_code(self.name, function, *given[: len(required(function)) or 1])
        g = upstream[0]
        if g.ndim and np.shape(local) == g.shape + np.shape(taken[0]):  # a Jacobian
            return np.tensordot(g, local, g.ndim)
        if np.shape(local) not in ((), g.shape):
            raise CandidateError(
                f"{self.name}: a derivative of the shape {np.shape(local)}, of what has {g.shape}"
            )
        return local * g


def names_in(function: Any) -> set[str]:
    """The names that a function's own code uses."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return set(code.co_names) if code is not None else set()
