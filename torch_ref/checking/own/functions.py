"""Functions: a forward with its backward, or one that returns a loss and its gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..candidates.base import call_code
from ..layouts import CandidateError
from .handed import Handed
from .programs import Forwarded, Program, floats_in, names_returned, parameters_of, roles_of
from .state import survey
from .swapping import names_used
from .words import OUTPUTS


class Globals:
    """The arrays that functions find at the level of their module."""


def globals_of(function: Callable[..., Any]) -> Globals:
    """What a function's module holds in arrays, or lists and dicts, that its functions use."""
    held = Globals()
    space = getattr(function, "__globals__", {})
    used = names_used(space)
    for name, value in space.items():
        is_number = isinstance(value, float | np.generic)  # such as a learning rate
        if name in used and not name.startswith("__") and not is_number and survey({name: value}):
            setattr(held, name, value)
    return held


@contextmanager
def in_module(function: Any, root: Any) -> Iterator[None]:
    """Within this block what stands in a function's module is what `root` holds."""
    space, held = function.__globals__, vars(root)
    before = {name: space[name] for name in held}
    space.update(held)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(root, name, space[name])
            space[name] = value


class FunctionsProgram(Program):
    """Two functions: backward takes the upstream gradients and a cache, or what forward took."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], handed: Handed
    ) -> None:
        root = globals_of(forward)
        super().__init__(getattr(forward, "__name__", "forward"), root, handed, forward, backward)
        self.functions = forward, backward
        names = [p.name for p in parameters_of(forward)]
        self.roles = roles_of(backward, names, handed.more)
        self.roles = [r for r in self.roles if r.required or r.kind == "input"]
        unknown = [r for r in self.roles if r.kind == "upstream"]
        if not any(r.kind == "cache" for r in self.roles) and len(unknown) > 1:
            self.give(unknown.pop().name, "cache")  # whatever it is called
        self.needs = len(unknown)

    def give(self, name: str, kind: str) -> None:
        self.roles = [replace(r, kind=kind) if r.name == name else r for r in self.roles]

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        with in_module(self.functions[0], root):
            called = f"{self.name}: forward"
            returned = call_code(called, self.functions[0], *self.taken(inputs))
        if isinstance(returned, tuple) and len(returned) < 2:
            raise CandidateError(f"{self.name}: forward must return y, or (y, cache)")
        apart = isinstance(returned, tuple)
        outputs = floats_in(returned[:-1] if apart else returned)
        if not apart:
            for role in self.roles:
                if role.kind == "upstream" and role.name in OUTPUTS:
                    self.give(role.name, "cache")
        upstreams = [r for r in self.roles if r.kind == "upstream"]
        self.takes_upstream = bool(upstreams)
        if apart and upstreams:
            outputs = outputs[: len(upstreams)]  # of the others no gradient comes back
        return Forwarded(outputs, returned[-1] if apart else returned)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        names = [p.name for p in parameters_of(self.functions[0])]
        by_name = dict(zip(names, self.taken(inputs), strict=False)) | self.more(inputs)
        left, outputs, given = list(upstream), list(done.outputs), {}
        for role in self.roles:
            if role.kind == "rate":
                given[role.name] = self.rate = lr
            elif role.name in by_name:
                given[role.name] = by_name[role.name]
            elif role.kind == "output" and outputs:
                given[role.name] = outputs.pop(0)
            elif role.kind == "upstream" and left:
                given[role.name] = left.pop(0)
            elif role.required or role.kind == "cache":
                given[role.name] = done.cache
        with in_module(self.functions[0], root):
            called = f"{self.name}: backward"
            return call_code(called, lambda: self.functions[1](**given))


class LossAndGradients(Program):
    """A function, or an object's method, that returns a loss, and after it its gradients."""

    def __init__(self, function: Any, root: Any, method: str, handed: Handed) -> None:
        name = f"{type(root).__name__}.{method}" if method else function.__name__
        super().__init__(name, root, handed, function, None)
        self.function, self.method, self.takes_upstream = function, method, False
        self.returned_names = names_returned(function)[1:]

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        taken = self.taken(inputs)
        if self.method:
            return self.apart(call_code(self.name, getattr(root, self.method), *taken))
        with in_module(self.function, root):
            return self.apart(call_code(self.name, self.function, *taken))

    def apart(self, returned: Any) -> Forwarded:
        """The loss, and its gradients as the cache."""
        if not isinstance(returned, tuple) or len(returned) < 2 or not floats_in(returned[0]):
            raise CandidateError(
                f"{self.name} cannot be checked by itself: expected FORWARD,BACKWARD, or a "
                "function that returns a loss and its gradients"
            )
        gradients = returned[1] if len(returned) == 2 else returned[1:]
        return Forwarded(floats_in(returned[0])[:1], gradients)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        return done.cache


class SameArguments(Program):
    """A loss and its gradient, two functions or methods that take the same."""

    def __init__(self, name: str, root: Any, handed: Handed, pair: tuple[Any, Any]) -> None:
        functions = [getattr(root, one) if isinstance(one, str) else one for one in pair]
        super().__init__(name, root, handed, *functions)
        self.pair, self.takes_upstream = pair, False

    def call(self, root: Any, one: Any, inputs: Sequence[Any]) -> Any:
        taken = self.taken(inputs)
        if isinstance(one, str):
            return call_code(f"{self.name}.{one}", getattr(root, one), *taken)
        with in_module(one, root):
            return call_code(one.__name__, one, *taken)

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        return Forwarded(floats_in(self.call(root, self.pair[0], inputs)))

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        return self.call(root, self.pair[1], inputs)
