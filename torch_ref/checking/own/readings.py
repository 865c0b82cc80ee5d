"""Which forms someone's code may be meant in, the likeliest first."""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..layouts import CandidateError
from .engines import EngineProgram, engine_beside, is_engine, of_all_operators
from .functions import FunctionsProgram, LossAndGradients, SameArguments, globals_of
from .handed import Handed
from .losses import WithLoss, as_loss, beside
from .objects import LocalDerivative, ObjectProgram
from .programs import Nothing, Program, parameters_of, required
from .scripts import how_to_wrap_method
from .state import attributes
from .trained import Trained
from .words import BACKWARDS, DERIVATIVES, FORWARDS, LOSSES, TRAINS, is_target


def readings_of(
    mine: Any, inputs: Sequence[Any], named: Mapping[str, Any] | None = None
) -> list[Program]:
    """The programs that someone's code may be.

    Raises:
        CandidateError: it has no forward and backward, or is handed what it does not take.
    """
    handed = Handed(inputs, named)
    several = isinstance(mine, tuple) and len(mine) in (2, 3) and all(map(callable, mine))
    if several:
        return of_functions(mine, handed)
    if isinstance(mine, type) and is_engine(mine):
        return [of_engine(mine, handed)]
    if isinstance(mine, types.FunctionType):
        return of_one_function(mine, handed)
    if not isinstance(mine, type | types.FunctionType):
        found = of_object(mine, handed)
        if found:
            return found
    name = getattr(mine, "__name__", type(mine).__name__)
    raise CandidateError(
        f"{name} cannot be checked: expected an object with forward and backward, or a pair of "
        f"functions (forward, backward){methods_in_words(mine)}"
    )


def methods_in_words(mine: Any) -> str:
    """What there is instead."""
    kind = mine if isinstance(mine, type) else type(mine)
    names = [n for n, v in vars(kind).items() if isinstance(v, types.FunctionType)]
    public = [name for name in names if not name.startswith("_")]
    return f"; it has {', '.join(public)}" if public else ""


def of_functions(functions: Sequence[Any], handed: Handed) -> list[Program]:
    """A forward and its backward; between them, perhaps a loss."""
    forward, backward = functions[0], functions[-1]
    bound = handed.bound(forward, backward)
    names = [p.name for p in parameters_of(forward)]
    wanted = required(backward)
    if wanted and set(wanted) <= set(names) and len(functions) == 2:
        name = getattr(forward, "__name__", "forward")
        readings: list[Program] = [SameArguments(name, Nothing(), bound, (forward, backward))]
        if len(bound.arrays) == 1:
            pair = (forward, backward)
            local = [LocalDerivative(name, Nothing(), bound, pair, out) for out in (False, True)]
            readings = [*local, *readings]
        return readings
    program = FunctionsProgram(forward, backward, bound)
    if not bound.more:
        return [program]
    if len(functions) == 3:
        return with_theirs(program, functions[1:2])
    return with_theirs(program, beside(program))


def with_theirs(program: Program, functions: Sequence[Any]) -> list[Program]:
    """A network with each loss of theirs behind it; without one, the usual ones are to be tried."""
    theirs = [(as_loss(one), f"{named(one)}, found beside it") for one in functions]
    return [WithLoss(program, loss, words) for loss, words in theirs] or [program]


def named(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def of_one_function(function: Callable[..., Any], handed: Handed) -> list[Program]:
    """A function that returns a loss and its gradients, one of nodes, or one with a switch."""
    switch = next(
        (p for p in parameters_of(function) if p.name in ("deriv", "derivative", "prime")), None
    )
    bound = handed.bound(function)
    if switch is not None:

        def prime(x: Any) -> Any:
            return function(x, **{switch.name: True})

        prime.__name__ = f"{function.__name__} with {switch.name}=True"
        name = function.__name__
        pair = (function, prime)
        return [LocalDerivative(name, Nothing(), bound, pair, out) for out in (False, True)]
    readings: list[Program] = [LossAndGradients(function, globals_of(function), "", bound)]
    return [*readings, *of_nodes(function, bound)]


def of_nodes(code: Any, bound: Handed) -> list[Program]:
    """What is called with nodes of a class beside it."""
    engine = engine_beside(code)
    if engine is None:
        return []
    return [EngineProgram(code, engine, bound, whole=whole) for whole in (False, True)]


def of_engine(kind: type, handed: Handed) -> Program:
    """A class of nodes, in an expression with all its operators."""
    expression, names = of_all_operators(kind)
    given = handed if handed.positional else Handed([np.asarray(0.7), np.asarray(-0.4)])
    words = f"an expression with {', '.join(names)} in it, its parts used more than once"
    return EngineProgram(expression, kind, given.bound(expression), words)


def first_method(mine: Any, names: Sequence[str]) -> str:
    """The first of these methods that an object has; "" if it has none."""
    defined = [vars(kind) for kind in type(mine).__mro__]
    own = [n for n in names if any(callable(getattr(mine, n)) for k in defined if n in k)]
    held = vars(mine) if hasattr(mine, "__dict__") else {}
    put_there = [n for n in ("forward", "backward") if n in names and callable(held.get(n))]
    return next(iter([*put_there, *own]), "")


def of_object(mine: Any, handed: Handed) -> list[Program]:
    """An object with methods that run forward and backward."""
    forward, backward = first_method(mine, FORWARDS), first_method(mine, BACKWARDS)
    loss = first_method(mine, LOSSES)
    if loss and backward and takes_the_same(getattr(mine, loss), getattr(mine, backward)):
        bound = handed.bound(getattr(mine, loss))
        return [SameArguments(type(mine).__name__, mine, bound, (loss, backward))]
    if forward and backward:
        others = of_nodes(mine, handed.bound(getattr(mine, forward))) if callable(mine) else []
        return [*of_methods(mine, handed, forward, backward), *others]
    if forward == "__call__" and engine_beside(mine) is not None:
        return of_nodes(mine, handed.bound(mine.__call__))
    trains = first_method(mine, TRAINS)
    if forward and trains:
        readings: list[Program] = []
        bound = Handed(handed.positional, handed.named).bound(
            getattr(mine, forward), target_of(mine, trains)
        )
        for alone in (False, True):
            program = Trained(mine, bound, forward, trains, alone)
            readings += with_theirs(program, beside(program))
        return readings
    if trains and not forward:
        answer = how_to_wrap_method(getattr(mine, trains))
        if answer:
            raise CandidateError(answer)
    if loss:
        method = getattr(mine, loss)
        return [LossAndGradients(method, mine, loss, handed.bound(method))]
    return []


def target_of(mine: Any, method: str) -> Callable[..., Any]:
    """A stand-in that takes what a training method does after the inputs: the target."""
    names = [p.name for p in parameters_of(getattr(mine, method))][1:2] or ["y"]

    def takes(target: Any) -> None:
        """Nothing: its argument has a name."""

    takes.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(names[0], inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    )
    return takes


def takes_the_same(loss: Any, gradient: Any) -> bool:
    """Whether a loss and a gradient take the same arguments, a target among them."""
    first, second = required(loss), required(gradient)
    return len(first) > 1 and len(first) == len(second) and any(map(is_target, second))


def of_methods(mine: Any, handed: Handed, forward: str, backward: str) -> list[Program]:
    run, back = getattr(mine, forward), getattr(mine, backward)
    bound = handed.bound(run, back)
    program = ObjectProgram(mine, bound, forward, backward)
    if not bound.arrays and not parameters_of(back):
        names = [name for name in attributes(mine) if is_target(name)]
        program.kept_target = next(iter(names), "")
    if bound.more or program.kept_target:
        return with_theirs(program, beside(program))
    if program.as_forward:
        other = ObjectProgram(mine, bound, forward, backward)
        other.of_output = True
        other.meaning = "its backward is handed the output that forward has kept"
        return [program, other]
    if backward in DERIVATIVES and len(bound.arrays) == 1 and len(required(back)) == 1:
        pair, name = (forward, backward), type(mine).__name__
        local = [LocalDerivative(name, mine, bound, pair, out) for out in (False, True)]
        return [*local, program]
    return [program]
