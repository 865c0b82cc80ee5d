"""A forward pass of someone's code, really run or traced, on a copy of all that it holds."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...safe_files import one_line
from ..layouts import CandidateError
from .arrays import Array, UntraceableError, cuts
from .lacking import standing, tensor_of
from .programs import Program
from .state import Copy, at
from .state import Path as Steps
from .swapping import (
    HOUSE,
    LIBRARIES,
    copied_modules,
    generator_copy,
    same_draws,
    stand_ins,
    standing_generator,
)

Leaves = Mapping[str, Steps]  # by name, where each stands in the program's root
Tensor = torch.Tensor


def real_copy(program: Program, values: Mapping[str, Any], leaves: Leaves) -> Copy:
    """Copies what a program holds, with other numbers in its leaves."""
    by_id, floats = found(program, leaves)

    def convert(value: Any) -> Any:
        new = values.get(by_id.get(id(value), ""))
        if isinstance(value, torch.Tensor):
            return value.detach().clone() if new is None else torch.as_tensor(new)
        if isinstance(value, np.ndarray):
            base = value.base
            kept = value.copy()
            if isinstance(base, np.ndarray) and base.base is None and base.flags.c_contiguous:
                memory = copy(base)
                start = value.__array_interface__["data"][0] - base.__array_interface__["data"][0]
                kept = np.ndarray(value.shape, value.dtype, memory, start, value.strides)
            if new is not None and np.asarray(new).dtype != kept.dtype:
                return np.array(new)
            if new is not None:
                kept[...] = new
            return kept
        return value if isinstance(value, np.generic) else generator_copy(value)

    copy = Copy(convert, {k: float(values[n]) for k, n in floats.items() if n in values})
    return copy


def found(program: Program, leaves: Leaves) -> tuple[dict[int, str], dict[tuple[int, Any], str]]:
    """The leaves by the identity of their array; those that are numbers, by holder and key."""
    arrays: dict[int, str] = {}
    floats: dict[tuple[int, Any], str] = {}
    for name, path in leaves.items():
        value = at(program.root, path)
        if isinstance(value, float):
            floats[id(at(program.root, path[:-1])), path[-1]] = name
        else:
            arrays[id(value)] = name
    return arrays, floats


def outputs_at(
    program: Program, leaves: Leaves, values: Mapping[str, Any], inputs: Sequence[Any]
) -> list[np.ndarray]:
    """The outputs of the real forward pass with these numbers in the leaves."""
    copy = real_copy(program, values, leaves)
    handed = [to_theirs(program, x) for x in inputs]
    with same_draws(), copied_modules(program.spaces, copy):
        done = program.forward(copy(program.root), handed)
        return [np.array(to_array(y), dtype=float) for y in done.outputs]


def to_theirs(program: Program, x: Any) -> Any:
    """An input as their code takes it, in memory of its own."""
    if not isinstance(x, np.ndarray):
        return x
    return torch.from_numpy(np.array(x)) if program.tensors else x.copy()


def to_array(value: Any) -> Any:
    return value.detach().numpy() if torch.is_tensor(value) else value


def trace(
    program: Program, leaves: Leaves, values: Mapping[str, Tensor], inputs: Sequence[Any]
) -> list[Tensor]:
    """The outputs of the forward pass as tensors, computed from these tensors.

    Raises:
        UntraceableError: it cannot be followed; the message says where and why.
    """
    by_id, floats = found(program, leaves)
    wrap: Any = (lambda t: t) if program.tensors else Array

    def convert(value: Any) -> Any:
        if id(value) in by_id:
            return wrap(values[by_id[id(value)]])
        if isinstance(value, torch.Tensor):
            return value.detach().clone()
        if isinstance(value, np.random.Generator | np.random.RandomState):
            return generator_copy(value) if program.tensors else standing_generator(value)
        if program.tensors:
            return value.copy() if isinstance(value, np.ndarray) else value
        return standing(value)

    copy = Copy(convert, {key: wrap(values[name]) for key, name in floats.items()})
    cuts.clear()
    handed = [wrap(x.view_as(x)) if torch.is_tensor(x) else x for x in inputs]
    try:
        with same_draws(), copied_modules(program.spaces, copy):
            root = copy(program.root)
            with stand_ins([] if program.tensors else program.spaces):
                return [tensor_of(y) for y in program.forward(root, handed).outputs]
    except CandidateError as error:
        raise UntraceableError(reason(error.__cause__ or error)) from error
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise UntraceableError(reason(error)) from error


def reason(error: BaseException) -> str:
    """Where their code stood when it could not be followed, and what it did there."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith((*LIBRARIES, HOUSE, "<"))]
    place = f"{Path(theirs[-1].filename).name}:{theirs[-1].lineno}: " if theirs else ""
    kind = "" if isinstance(error, UntraceableError) else f"{type(error).__name__}: "
    return f"{place}{kind}{one_line(error)}"
