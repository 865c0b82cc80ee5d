"""Code whose gradients show only in the updates of its weights, in a loop of its own."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..candidates.base import call_code
from .handed import Handed
from .objects import ObjectProgram
from .programs import Forwarded, Program, parameters_of
from .state import attributes, children, is_floating, is_theirs
from .words import RATES, ROUNDS


class Once(BaseException):
    """Every weight has moved once."""


class Trained(Program):
    """An object with a forward, and a method that trains: it is stopped after its first update.

    Args:
        alone: whether it is handed a list of samples, of which ours is the only one.
    """

    def __init__(self, root: Any, handed: Handed, forward: str, method: str, alone: bool) -> None:
        self.inner = ObjectProgram(
            root, Handed(handed.positional[:1]).bound(getattr(root, forward)), forward, forward
        )
        super().__init__(
            type(root).__name__, root, handed, getattr(root, forward), getattr(root, method)
        )
        self.methods, self.alone, self.takes_upstream = (forward, method), alone, False

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        return self.inner.forward(root, inputs)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        method = getattr(root, self.methods[1])
        arrays = [np.asarray(x)[None] for x in inputs] if self.alone else list(inputs)
        named: dict[str, float] = {}
        for parameter in parameters_of(method)[len(arrays) :]:
            if parameter.name in ROUNDS:
                named[parameter.name] = 1
            elif parameter.name in RATES:
                named[parameter.name] = lr
                self.rate = lr
        for name in ROUNDS:
            if hasattr(root, name):
                setattr(root, name, 1)
        with_stop(
            root,
            lambda: call_code(f"{self.name}.{method.__name__}", lambda: method(*arrays, **named)),
            self,
        )
        return None


def with_stop(root: Any, train: Any, program: Program) -> None:
    """Run a training loop until a weight is about to move a second time."""
    plain = [(one, type(one)) for one in objects_in(root)]
    start = {
        (id(one), name): np.copy(value)
        for one, _ in plain
        for name, value in attributes(one).items()
        if is_floating(value)
    }
    moved: dict[tuple[int, str], Any] = {}

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        key = (id(self), name)
        if key in start and not np.array_equal(value, start[key]):
            if key in moved:
                raise Once
            moved[key] = np.copy(value) if isinstance(value, np.ndarray) else value
            if program.rate is None:
                program.rate = rate_in(sys._getframe(1).f_locals)
        object.__setattr__(self, name, value)

    for one, kind in plain:
        one.__class__ = type(kind.__name__, (kind,), {"__setattr__": __setattr__})
    try:
        train()
    except Once:
        for one, kind in plain:
            one.__class__ = kind
            for (owner, name), value in moved.items():
                if owner == id(one):  # what `w -= step` has already moved again
                    object.__setattr__(one, name, value)
        return
    finally:
        for one, kind in plain:
            one.__class__ = kind
    if not moved:  # items of a list: perhaps once, perhaps in many rounds
        program.unsure = (
            f"{program.name}: its updates cannot be told one from the next: give it a method that "
            "takes one step, or returns its gradients"
        )


def objects_in(root: Any) -> list[Any]:
    """An object of theirs and all those in it."""
    found, queue, seen = [], [root], {id(root)}
    while queue:
        value = queue.pop()
        if is_theirs(value):
            found.append(value)
        for _, part in children(value):
            if id(part) not in seen and (is_theirs(part) or isinstance(part, dict | list | tuple)):
                seen.add(id(part))
                queue.append(part)
    return found


def rate_in(variables: dict[str, Any]) -> float | None:
    """The learning rate among the variables of a loop."""
    rates = [variables[name] for name in RATES if isinstance(variables.get(name), float | int)]
    return float(rates[0]) if rates else None
