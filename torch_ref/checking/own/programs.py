"""Someone's code as a program: its forward and backward, called on any copy of what it holds."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..candidates.base import call_code
from ..layouts import CandidateError
from .arrays import Array
from .state import is_floating, survey
from .swapping import Globals as Space
from .swapping import modules_of, names_used

RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "step_size")
SWITCHES = {"training": True, "train": True, "is_training": True, "mode": "train"}
OUTPUTS = ("output", "outputs", "out", "y", "a", "A", "result")


@dataclass
class Forwarded:
    """What a forward pass gave: its outputs, and what a backward function is handed of it."""

    outputs: list[Any]
    cache: Any = None


class Program:
    """A forward and a backward.

    Attributes:
        root: what the code holds, an object or nothing.
        spaces: the globals of its modules.
        arguments: the names of forward's arguments.
        tensors: whether it is written in PyTorch.
    """

    def __init__(self, name: str, root: Any, forward: Any, backward: Any) -> None:
        self.name, self.root = name, root
        self.spaces: list[Space] = modules_of(forward, *([backward] if backward else []))
        self.arguments = [p.name for p in parameters_of(forward)]
        self.tensors = in_torch(forward, root)
        self.takes_upstream = True

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no backward")


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """The positional parameters of a function or method."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in known if p.kind in positional]


def required(function: Any) -> list[str]:
    return [p.name for p in parameters_of(function) if p.default is p.empty]


def in_torch(forward: Any, root: Any) -> bool:
    """Whether code computes with tensors: it names torch or holds tensors, without NumPy."""
    code = getattr(getattr(forward, "__func__", forward), "__code__", None)
    names = set(code.co_names) if code is not None else set()
    held = vars(root).values() if hasattr(root, "__dict__") else ()
    holds = any(torch.is_tensor(value) for value in held)
    return ("torch" in names or holds) and not names & {"np", "numpy"}


def is_float(value: Any) -> bool:
    return value.tensor.is_floating_point() if isinstance(value, Array) else is_floating(value)


def floats_in(returned: Any) -> list[Any]:
    """The floating-point arrays in what was returned, nested tuples and lists one by one."""
    if isinstance(returned, tuple | list):
        return [one for part in returned for one in floats_in(part)]
    return [returned] if is_float(returned) else []


class ObjectProgram(Program):
    """An object with `forward` (or a call) and `backward`."""

    def __init__(self, name: str, root: Any) -> None:
        forward = getattr(root, "forward", None) or root.__call__
        self.method = "forward" if hasattr(root, "forward") else "__call__"
        super().__init__(name, root, forward, root.backward)
        self.wanted = [p.name for p in parameters_of(root.backward)]
        self.needed = required(root.backward)
        known = {*self.arguments[1:], *RATES}
        self.upstreams = [n for n in self.wanted if n not in known]
        # `backward(dout=1)`: nothing comes after a loss.
        self.takes_upstream = any(n in self.needed for n in self.upstreams)
        self.cached = [n for n in self.wanted if "cache" in n.lower()]
        self.upstreams = [n for n in self.upstreams if n not in self.cached]
        # A loss's `backward(dvalues, y_true)` is handed what its forward was.
        same = [a == b for a, b in zip(self.needed, self.arguments, strict=False)]
        self.as_forward = len(self.needed) == len(self.arguments) > 1 and any(same)
        self.extra = [n for n in required(forward) if n in SWITCHES]

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        switches = {name: SWITCHES[name] for name in self.extra}
        if len(inputs) >= len(self.arguments):
            switches = {}
        method = getattr(root, self.method)
        before = {name: id(getattr(root, name)) for name in OUTPUTS if hasattr(root, name)}
        returned = call_code(f"{self.name}.forward", lambda: method(*inputs, **switches))
        cache = None
        if self.cached and isinstance(returned, tuple):
            *returned, cache = returned
        outputs = floats_in(returned)
        if returned is None:
            kept = [
                getattr(root, name)
                for name in OUTPUTS
                if hasattr(root, name) and before.get(name) != id(getattr(root, name))
            ]
            outputs = floats_in(kept[:1])
        if not outputs:
            raise CandidateError(f"{self.name}.forward gives no array of floating-point numbers")
        if self.as_forward and outputs[0].ndim < inputs[0].ndim:
            self.upstreams, self.takes_upstream = [], False
        return Forwarded(outputs, cache)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        by_name = dict(zip(self.arguments, inputs, strict=False)) | dict.fromkeys(RATES, lr)
        given, left = [], list(upstream)
        if self.as_forward and not self.upstreams:
            return call_code(f"{self.name}.backward", root.backward, *inputs)
        for name in self.wanted:
            if name in self.upstreams:
                if name not in self.needed:
                    break
                if not left:
                    raise CandidateError(
                        f"{self.name}.backward takes {', '.join(self.wanted)}: forward gives no "
                        f"{name}, nor {len(self.upstreams)} outputs to have upstream gradients of"
                    )
                given.append(left.pop(0))
            elif name in self.cached:
                given.append(done.cache)
            elif name in self.needed or name in self.arguments:
                if name not in by_name:
                    raise CandidateError(f"{self.name}.backward takes {name}: it is not known")
                given.append(by_name[name])
        return call_code(f"{self.name}.backward", root.backward, *given)


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

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        root = globals_of(forward)
        super().__init__(getattr(forward, "__name__", "forward"), root, forward, backward)
        self.functions = forward, backward
        self.wanted = required(backward)

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        with in_module(self.functions[0], root):
            returned = call_code(f"{self.name}: forward", self.functions[0], *inputs)
        if not isinstance(returned, tuple):
            self.takes_upstream = any(self._is_upstream(n) for n in self.wanted)
            return Forwarded(floats_in(returned), returned)
        if len(returned) < 2:
            raise CandidateError(f"{self.name}: forward must return y, or (y, cache)")
        return Forwarded(floats_in(returned[:-1]), returned[-1])

    def _is_upstream(self, name: str) -> bool:
        return name not in self.arguments and name not in (*OUTPUTS, *RATES)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        by_name = dict(zip(self.arguments, inputs, strict=False)) | dict.fromkeys(RATES, lr)
        left, given = list(upstream), []
        for i, name in enumerate(self.wanted):
            cached = "cache" in name.lower() or i == len(upstream)
            if name in by_name:
                given.append(by_name[name])
            elif cached or name in OUTPUTS or not left:
                given.append(done.cache)
            else:
                given.append(left.pop(0))
        with in_module(self.functions[0], root):
            return call_code(f"{self.name}: backward", self.functions[1], *given)


class LossAndGradients(Program):
    """One function that returns a loss, and after it its gradients."""

    def __init__(self, function: Callable[..., Any]) -> None:
        root = globals_of(function)
        super().__init__(getattr(function, "__name__", "function"), root, function, None)
        self.function, self.takes_upstream = function, False

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        with in_module(self.function, root):
            return loss_and_gradients(self.name, self.function, inputs)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        return done.cache


def loss_and_gradients(name: str, function: Any, inputs: Sequence[Any]) -> Forwarded:
    """What a function gives that returns both."""
    returned = call_code(name, function, *inputs)
    if not isinstance(returned, tuple) or len(returned) < 2 or not floats_in(returned[0]):
        raise CandidateError(
            f"{name} cannot be checked by itself: expected FORWARD,BACKWARD, or a function that "
            "returns a loss and its gradients"
        )
    gradients = returned[1] if len(returned) == 2 else returned[1:]
    return Forwarded(floats_in(returned[0]), gradients)


class LossMethod(Program):
    """An object whose `loss` returns a loss, and after it its gradients."""

    def __init__(self, name: str, root: Any) -> None:
        super().__init__(name, root, root.loss, None)
        self.takes_upstream = False

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        return loss_and_gradients(f"{self.name}.loss", root.loss, inputs)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        return done.cache


def program_of(mine: Any) -> Program:
    """The program that someone's code is.

    Raises:
        CandidateError: it has no forward and backward.
    """
    if isinstance(mine, tuple) and len(mine) == 2 and all(map(callable, mine)):
        return FunctionsProgram(*mine)
    if not isinstance(mine, type) and callable(getattr(mine, "backward", None)):
        return ObjectProgram(type(mine).__name__, mine)
    if not isinstance(mine, type) and callable(getattr(mine, "loss", None)):
        return LossMethod(type(mine).__name__, mine)
    if callable(mine) and not isinstance(mine, type) and hasattr(mine, "__code__"):
        return LossAndGradients(mine)
    raise CandidateError(
        f"{getattr(mine, '__name__', type(mine).__name__)} cannot be checked: expected an object "
        "with forward and backward, or a pair of functions (forward, backward)"
    )
