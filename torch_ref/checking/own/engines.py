"""A scalar engine: a class of nodes with `data`, `grad` and `backward`, and what is built of it."""

import functools
import inspect
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..candidates.base import call_code
from ..layouts import CandidateError
from .handed import Handed
from .programs import Forwarded, Nothing, Program

VALUES = ("data", "value", "val", "v")
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "__add__": lambda a, b: a + b,
    "__mul__": lambda a, b: a * b,
    "__sub__": lambda a, b: a - b,
    "__truediv__": lambda a, b: a / (b * b + 1),
}
UNARY = ("__neg__", "tanh", "relu", "exp", "sigmoid", "sin", "cos")


def is_engine(kind: Any, operators: bool = True) -> bool:
    """Whether a class is a node: made of a number, with a backward that needs no argument.

    Args:
        operators: whether it must have any.
    """
    if not isinstance(kind, type) or not callable(getattr(kind, "backward", None)):
        return False
    if operators and not callable(getattr(kind, "__mul__", None)):
        return False
    if needs(kind, "backward"):
        return False
    try:
        node = kind(1.0)
    except Exception:  # it is made of something else
        return False
    return hasattr(node, "grad") and any(hasattr(node, name) for name in VALUES)


def engine_beside(code: Any) -> Any:
    """The class of nodes in the module of a function or an object; None if there is none."""
    is_function = isinstance(code, types.FunctionType)
    calls = [vars(kind).get("__call__") for kind in type(code).__mro__]
    function = code if is_function else next(filter(None, calls), None)
    space = getattr(function, "__globals__", {})
    return next((value for value in space.values() if is_engine(value, False)), None)


class EngineProgram(Program):
    """What is computed with nodes: a function of them, or an object that is called with numbers.

    Args:
        whole: whether a node is made of an array, not of each of its numbers.
    """

    def __init__(
        self, code: Any, kind: Any, handed: Handed, meaning: str = "", whole: bool = False
    ) -> None:
        is_function = isinstance(code, types.FunctionType)
        root = Nothing() if is_function else code
        name = getattr(code, "__name__", type(code).__name__)
        super().__init__(name, root, handed, code if is_function else code.__call__, kind.backward)
        self.code, self.kind, self.tensors, self.meaning = code, kind, False, meaning
        self.is_function, self.whole = is_function, whole
        node = kind(1.0)
        self.value = next(name for name in VALUES if hasattr(node, name))

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        handed = [self.nodes(x) for x in self.taken(inputs)]
        run = self.code if self.is_function else root
        result = call_code(self.name, run, *handed)
        several = result if isinstance(result, list | tuple) else [result]
        if not all(isinstance(one, self.kind) for one in several):
            raise CandidateError(f"{self.name} gives no {self.kind.__name__}")
        root_of(root, handed)
        return Forwarded([getattr(one, self.value) for one in several], several)

    def nodes(self, x: Any) -> Any:
        """A number as a node, an array as a list of them."""
        if self.whole:
            return self.kind(x)
        if getattr(x, "ndim", 0):
            return [self.nodes(part) for part in x]
        return self.kind(x if hasattr(x, "tensor") else float(x))

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        if not hasattr(self.kind, "__mul__"):
            for node, g in zip(done.cache, upstream, strict=True):
                node.grad = g
                call_code(f"{self.kind.__name__}.backward", node.backward)
            return [gradients(x) for x in root.__dict__.pop("handed to it")]
        parts = [
            node * (g if self.whole else float(g))
            for node, g in zip(done.cache, upstream, strict=True)
        ]
        total = functools.reduce(operator.add, parts)
        call_code(f"{self.kind.__name__}.backward", total.backward)
        return [gradients(x) for x in root.__dict__.pop("handed to it")]


def root_of(root: Any, handed: list[Any]) -> None:
    """Keep the nodes that a forward was handed, for their gradients."""
    root.__dict__["handed to it"] = handed


def gradients(nodes: Any) -> Any:
    if isinstance(nodes, list):
        return np.array([gradients(node) for node in nodes])
    return np.asarray(nodes.grad, float)


def of_all_operators(kind: type) -> tuple[Any, list[str]]:
    """A function of two nodes in which every operator of theirs has a part, and is used twice."""
    names = [name for name in BINARY if callable(getattr(kind, name, None))]
    unary = [
        name for name in UNARY if callable(getattr(kind, name, None)) and not needs(kind, name)
    ]

    def expression(a: Any, b: Any) -> Any:
        shared = a * b
        total = shared * shared
        for name in names:
            total = total + BINARY[name](a, b) * shared if "__add__" in names else total
        for name in unary:
            total = total + getattr(shared + a, name)() * b + getattr(shared - a, name)() * a
        if "__pow__" in dir(kind):
            total = total + (a * a + b * b) ** 3 + a**2
        return total

    return expression, [*names, *unary]


def needs(kind: type, name: str) -> list[Any]:
    """The arguments that a method needs beside the node."""
    known = list(inspect.signature(getattr(kind, name)).parameters.values())[1:]
    return [p for p in known if p.default is p.empty]
