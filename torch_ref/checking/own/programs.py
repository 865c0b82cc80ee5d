"""Someone's code as a program: its forward and backward, called on any copy of what it holds."""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..candidates.base import call_code
from .arrays import Array
from .handed import Handed, built
from .state import is_floating
from .swapping import Globals as Space
from .swapping import modules_of
from .words import OUTPUTS, RATES, RESETS, is_cache


@dataclass
class Forwarded:
    """What a forward pass gave.

    Attributes:
        outputs: its floating-point arrays, one by one.
        cache: what a backward function is handed of it.
        groups: how many of the outputs each of the things returned has.
    """

    outputs: list[Any]
    cache: Any = None
    groups: list[int] = field(default_factory=list)


class Nothing:
    """What functions hold that need nothing of their module."""


class Program:
    """A forward and a backward.

    Attributes:
        root: what the code holds, an object or nothing.
        handed: the arguments; `arguments` names the arrays in them.
        spaces: the globals of its modules.
        tensors: whether it is written in PyTorch.
        rate: the learning rate that it updates its weights with, once that is known; where it has
            none, `assumed_rate` counts.
        unsure: why it may not be told wrong, if so: it may have taken several steps.
        kept_target: the attribute that holds a target, of code that was made with its data.
        returned_names: the variables in the tuple that backward returns, if they are such.
        meaning: how it has been understood, where that is not the only way; else nothing.
    """

    def __init__(self, name: str, root: Any, handed: Handed, forward: Any, backward: Any) -> None:
        self.name, self.root, self.handed = name, root, handed
        self.spaces: list[Space] = modules_of(forward, *([backward] if backward else []))
        self.arguments = handed.names
        self.tensors = in_torch(forward, root)
        self.takes_upstream = True
        self.rate: float | None = None
        self.assumed_rate = 1.0
        self.kept_target = ""
        self.unsure = ""
        self.meaning = ""
        self.returned_names = names_returned(backward)

    def taken(self, inputs: Sequence[Any]) -> list[Any]:
        """The arguments of forward, of these arrays."""
        return [built(part, inputs) for part in self.handed.skeletons]

    def more(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """What backward alone is handed."""
        return {name: built(part, inputs) for name, part in self.handed.more.items()}

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no backward")


@dataclass(frozen=True)
class Role:
    """An argument of a backward: its name, and what it is handed.

    Attributes:
        kind: "upstream", "input", "output", "cache", "more" or "rate".
    """

    name: str
    kind: str
    required: bool = True
    default: Any = 0.0


def roles_of(
    backward: Callable[..., Any], forward_names: Sequence[str], more: Mapping[str, Any]
) -> list[Role]:
    """What each argument of a backward is to be handed; those with a default may be left out."""
    roles = []
    for parameter in parameters_of(backward):
        name, required = parameter.name, parameter.default is parameter.empty
        if name in RATES and name not in forward_names:
            kind = "rate"
        elif name in more:
            kind = "more"
        elif is_cache(name):
            kind = "cache"
        elif name in forward_names:
            kind = "input"
        elif more:
            kind = "output"
        else:
            kind = "upstream"
        default = 0.0 if required else parameter.default
        roles.append(Role(name, kind, required, default))
    return roles


def names_returned(function: Any) -> list[str]:
    """The names in `return dx, dw, db`, if a function has one such statement alone."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (TypeError, OSError, SyntaxError):
        return []
    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    if len(returns) != 1 or not isinstance(returns[0], ast.Tuple):
        return []
    parts = returns[0].elts
    return [part.id for part in parts if isinstance(part, ast.Name)]


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
    function = getattr(forward, "__func__", forward)
    code = getattr(function, "__code__", None)
    names = set(code.co_names) if code is not None else set()
    modules = [
        v for v in getattr(function, "__globals__", {}).values() if isinstance(v, types.ModuleType)
    ]
    only_torch = torch in modules and np not in modules
    held = vars(root).values() if hasattr(root, "__dict__") else ()
    holds = any(torch.is_tensor(value) for value in held)
    return ("torch" in names or holds or only_torch) and not names & {"np", "numpy"}


def is_float(value: Any) -> bool:
    return value.tensor.is_floating_point() if isinstance(value, Array) else is_floating(value)


def floats_in(returned: Any) -> list[Any]:
    """The floating-point arrays in what was returned, nested tuples and lists one by one."""
    if isinstance(returned, tuple | list):
        return [one for part in returned for one in floats_in(part)]
    return [returned] if is_float(returned) else []


def grouped(upstream: Sequence[Any], groups: Sequence[int]) -> list[Any]:
    """Upstream gradients as the outputs came: those of a tuple in a tuple."""
    left = list(upstream)
    result: list[Any] = []
    for count in groups:
        part = [left.pop(0) for _ in range(count)]
        result += [tuple(part)] if count > 1 else part
    return result


def start_anew(root: Any) -> None:
    """Have an object forget its gradients, if it has a method for that."""
    for name in RESETS:
        if callable(getattr(root, name, None)):
            call_code(f"{type(root).__name__}.{name}", getattr(root, name))


def attribute_of(root: Any, names: Sequence[str] = OUTPUTS) -> list[str]:
    """Which of these an object has."""
    return [name for name in names if hasattr(root, name)]
