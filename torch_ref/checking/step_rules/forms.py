"""Someone's step rule, whatever its form, and the ways to call it.

A `Way` says how a rule is called. Which of them a rule is made for is not always written in its
arguments: then they are tried, and the first that runs is taken, or the first that agrees.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch

from manual import Optimizer

from ..layouts import CandidateError
from .names import SETTINGS, Signature, read

METHODS = (
    *("step", "update", "update_params", "update_parameters", "update_weights", "apply"),
    *("optimize", "get_update", "__call__"),
)
EXPECTED = (
    "expected a class with step() or update(), a function update(w, dw, config) that returns w and "
    "config, or a function update(params, grads, state)"
)


@dataclass(frozen=True)
class Way:
    """One way to call a step rule.

    Attributes:
        held: how the weights are handed in: a "list", a "dict", a "course" dict with gradients
            under "dW1" for "W1", each "array" by itself, "pairs" (w, b, dw, db), a "layer",
            "objects" with data and grad, or "torch" parameters.
        alone: each array, or layer, has an object of its own.
        count: the number of the first step.
        memory: what a state is at first: "empty", "none", "zeros", "options", or "made".
        returned: what is returned: "weights", or what to "add" or "subtract".
    """

    held: str
    alone: bool = False
    count: int = 1
    memory: str = "empty"
    returned: str = "weights"

    @property
    def words(self) -> list[str]:
        """What a reader would not expect of it."""
        words = []
        if self.alone:
            words = ["run with one object for each array: one alone does not keep them apart"]
        return words + (["t is 0 in the first step"] if not self.count else [])


@dataclass
class Form:
    """Someone's step rule, and what its arguments are.

    Attributes:
        code: the function or class; `method` is the name of the class's own.
        made, called: the arguments of the constructor, and of each step.
        begin: makes the first state, where there is a function for it.
        options: all of the reference's; `explicit` are those for a constructor with **options.
    """

    name: str
    code: Any
    method: str
    made: Signature
    called: Signature
    begin: Callable[..., Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    explicit: Mapping[str, Any] = field(default_factory=dict)

    def ways(self, unlikely: bool = False) -> Iterator[Way]:
        """The ways that its arguments leave open, the likelier first.

        Args:
            unlikely: those that its arguments' names speak against.
        """
        both = (self.made, self.called)
        gradients = any(signature.has("grads") for signature in both)
        if isinstance(self.code, type) and issubclass(self.code, torch.optim.Optimizer):
            helds: tuple[str, ...] = ("torch",)
        elif isinstance(self.code, type) and issubclass(self.code, Optimizer):
            helds = ("objects",)
        elif self.called.has("layer"):
            helds = ("layer",)
        elif len(self.called.pairs) > 1:
            helds = ("pairs",)
        elif not gradients:
            helds = ("array",) if unlikely else ("objects", "torch", "list", "dict")
        elif any(s.many and (s.has("params") or s.has("grads")) for s in both):
            helds = ("array",) if unlikely else ("list", "dict", "course")
        else:
            helds = ("list", "dict", "course") if unlikely else ("array",)
        names = [n for n, role in self.called.roles.items() if role == "state"]
        memories = ("empty",) if not names else ("empty", "none", "zeros", "options")
        if self.begin is not None:
            memories = ("made",)
        elif any(name.lower() in SETTINGS for name in names):
            memories = ("options",)
        counts = (1, 0) if self.called.has("count") else (1,)
        fixed = any(s.has("params") or s.has("layer") for s in both)
        returns = ("weights",) if fixed else ("subtract", "add")
        if self.begin is not None and fixed and next(iter(self.called.roles.values())) == "grads":
            returns = ("weights", "add")  # as optax has it: update(grads, state, params)
        for held, memory, returned, count in product(helds, memories, returns, counts):
            single = held in ("array", "pairs") and self.method != ""
            own = self.made.has("params") and held == "array"
            for alone in (True,) if own else (False, True) if single else (False,):
                yield Way(held, alone, count, memory, returned)


def form_of(
    mine: Any,
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    explicit: Mapping[str, Any] | None = None,
) -> Form:
    """What someone's step rule is.

    Args:
        options: of the reference; they are handed on by the names that they have in mine.
        given: values by the names that mine has.
        explicit: those of the options that were chosen.
    Raises:
        CandidateError: it is not a form that is known.
    """
    mine, given = of_class(mine, given)
    begin = None
    if isinstance(mine, tuple) and len(mine) == 2 and all(map(callable, mine)):
        begin, mine = mine
    name = getattr(mine, "__name__", type(mine).__name__)
    if isinstance(mine, type):
        method = next((m for m in METHODS if callable(getattr(mine, m, None))), None)
        if method is None or (method == "__call__" and "__call__" not in dir(mine)):
            raise CandidateError(f"the class {name} has no step: {EXPECTED}")
        label = f"{name}.{method}"
        made = read(name, mine, options, given)
        called = read(label, bare(mine, method), options, given)
    elif callable(mine) and hasattr(mine, "__code__"):
        method, label, made = "", name, Signature()
        called = read(name, mine, options, given)
        if not called.has("grads"):
            raise CandidateError(f"{name} takes no gradient: {EXPECTED}")
    else:
        raise CandidateError(f"{name} is no step rule: {EXPECTED}")
    by_name = {"lr": options["lr"], **(explicit or {}), **given} if "lr" in options else {**given}
    unknown = set(given) - set(made.roles) - set(called.roles)
    if unknown and not made.open:
        raise CandidateError(f"{name} has no argument {sorted(unknown)[0]}")
    return Form(name, mine, method, made, called, begin, {**options, **given}, by_name)


def of_class(mine: Any, given: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """An object as its class and the numbers that it was made with, as far as it has kept them."""
    method = next((m for m in METHODS if callable(getattr(mine, m, None))), None)
    if isinstance(mine, type | tuple) or hasattr(mine, "__code__") or method is None:
        return mine, given
    kept = {
        name: getattr(mine, name)
        for name in inspect.signature(type(mine)).parameters
        if isinstance(getattr(mine, name, None), int | float)
    }
    return type(mine), kept | dict(given)


def bare(code: type, method: str) -> Callable[..., Any]:
    """A method of a class, without its self in the arguments."""
    function: Callable[..., Any] = getattr(code, method)
    alone = isinstance(inspect.getattr_static(code, method), staticmethod | classmethod)
    return function if alone else functools.partial(function, None)
