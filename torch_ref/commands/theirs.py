"""Someone's class made into an object, whatever its constructor takes."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..checking.candidates.base import call_code
from ..checking.layouts import CandidateError
from ..checking.own.engines import is_engine
from ..checking.own.programs import parameters_of
from ..checking.own.words import is_parameter
from ..checking.report import Checked
from .inputs import constructor_arguments


def is_torch(found: Any) -> bool:
    """Whether it is code that autograd runs."""
    kinds = (torch.nn.Module, torch.autograd.Function)
    return isinstance(found, kinds) or (isinstance(found, type) and issubclass(found, kinds))


def first_that_runs(report: Callable[[Any], Checked], found: Any, words: Sequence[str]) -> Checked:
    """The report on an object, made in the first way in which it can be run.

    Arguments are numbers and text as they stand; where these do not do, arrays of these sizes, and
    functions of these names.
    """
    refusal: CandidateError | None = None
    for make in ways_to_make(found, words):
        try:
            return report(make())
        except CandidateError as error:
            refusal = refusal or error
    raise refusal or CandidateError("nothing to check")


def ways_to_make(found: Any, words: Sequence[str]) -> Iterator[Callable[[], Any]]:
    ready = not isinstance(found, type) or issubclass(found, torch.autograd.Function)
    if ready or (is_engine(found) and not words):
        yield lambda: found
        return
    positional, named = constructor_arguments(words)
    yield lambda: made(found, positional, named)
    names = [p.name for p in parameters_of(found)]
    given = dict(zip(names, positional, strict=False)) | named
    arrays = {name: drawn(name, value) for name, value in given.items()}
    if any(arrays[name] is not value for name, value in given.items()):
        yield lambda: made(found, [], arrays)
    space = vars(sys.modules[found.__module__])
    functions = {n: space.get(v, v) if isinstance(v, str) else v for n, v in given.items()}
    if any(functions[name] is not value for name, value in given.items()):
        yield lambda: made(found, [], functions)


def made(kind: Any, positional: Sequence[Any], named: dict[str, Any]) -> Any:
    return call_code(kind.__name__, lambda: kind(*positional, **named))


def drawn(name: str, value: Any) -> Any:
    """Random numbers for a weight of which only the sizes are given."""
    sizes = value if isinstance(value, tuple) else (value,)
    if not is_parameter(name) or not all(isinstance(size, int) for size in sizes):
        return value
    return np.random.default_rng(len(name)).normal(size=sizes)
