"""A check on other shapes: other ranks, sizes of one, an empty batch, strided arrays.

Code is written for one shape, and is right there. Whatever the reference takes is tried; what the
wrong ones have in common says where to look: "wrong only where ndim > 3".
"""

import operator
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..parity.distance import Report
from .comparing import Sides
from .layouts import CandidateError
from .reference import is_array
from .report import Sweep, Swept

Inputs = list[Any]
REFUSED = (CandidateError, NotImplementedError, RuntimeError, ValueError, IndexError, TypeError)


def sweep_of(sides: Sides) -> Sweep:
    """Run both sides on every variant of the inputs that the reference takes."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # as of the mean of nothing
        tried = [swept(sides, words, inputs) for words, inputs in variants(sides)]
    found = [variant for variant in tried if variant is not None]
    base = Swept("as given", np.shape(sides.inputs[0]) if sides.inputs else (), True)
    wrong = what_all_have(found, base, lambda v: bool(v.wrong))
    return Sweep(found, wrong, what_all_have(found, base, lambda v: bool(v.raises)))


def swept(sides: Sides, words: str, inputs: Inputs) -> Swept | None:
    """What becomes of one variant; None if the reference does not take it."""
    plain = [np.array(x, order="C") if is_array(x) else x for x in inputs]
    try:
        sides.shapes_of_outputs(plain)
    except REFUSED:
        return None
    first = inputs[0]
    shape, contiguous = np.shape(first), not is_array(first) or first.flags.c_contiguous
    try:
        report = sides.compare(sides.run(plain, inputs))
    except CandidateError as error:
        return Swept(words, shape, contiguous, raises=str(error))
    return Swept(words, shape, contiguous, wrong=first_wrong(report))


def first_wrong(report: Report) -> str:
    row = next((row for row in report.rows if not row.agrees), None)
    if row is None:
        return ""
    name = f"{row.kind} {row.name}" if row.kind != "gradient" else f"gradient of {row.name}"
    return f"{name}: {row.problem or row.verdict}"


def variants(sides: Sides) -> Iterator[tuple[str, Inputs]]:
    """Variants of the inputs, by what they are; those shaped like the first change with it."""
    if not sides.inputs or not is_array(sides.inputs[0]):
        return
    shape = sides.inputs[0].shape
    generator = np.random.default_rng(sides.seed + 23)
    for words, other in other_shapes(shape):
        yield words, [reshaped(x, shape, other, generator) for x in sides.inputs]
    for words, laid in LAYOUTS.items():
        yield words, [laid(x.copy()) if is_array(x) and x.ndim else x for x in sides.inputs]


def other_shapes(shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Other ranks and sizes; what lies on the last axis stays as it is where it can."""
    yield "an axis more in front", (2, *shape)
    yield "two axes more in front", (2, 3, *shape)
    if shape:
        yield "an axis more behind the first", (shape[0], 2, *shape[1:])
        yield "an axis more at the end", (*shape, 3)
        yield "two axes more at the end", (*shape, 3, 2)
        yield "the first axis missing", shape[1:]
        yield "an empty batch", (0, *shape[1:])
    for axis, size in enumerate(shape):
        if size != 1:
            yield f"axis {axis} of size 1", (*shape[:axis], 1, *shape[axis + 1 :])
        yield f"axis {axis} longer", (*shape[:axis], size + 2, *shape[axis + 1 :])


def reshaped(
    x: Any, shape: tuple[int, ...], other: tuple[int, ...], generator: np.random.Generator
) -> Any:
    """An input in the other shape, if its own was the first one's, or began as that does.

    Its numbers are drawn from its own, so that targets and probabilities stay such.
    """
    if not is_array(x) or x.shape != shape[: x.ndim] or (shape and not x.ndim):
        return x
    new = other[: x.ndim + len(other) - len(shape)]
    return generator.choice(x.reshape(-1), size=new)


def every_second(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2, axis=-1)[..., ::2]


def backwards(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[::-1])[::-1]


def as_columns(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


def one_for_all(x: np.ndarray) -> np.ndarray:
    """The first sample for all of them, which is stored once."""
    return as_strided(x, x.shape, (0, *x.strides[1:]), writeable=False)


LAYOUTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "stored by columns": as_columns,
    "every second number of an array": every_second,
    "stored backwards": backwards,
    "one sample for all, stored once": one_for_all,
}


def what_all_have(found: Sequence[Swept], base: Swept, chosen: Callable[[Swept], bool]) -> str:
    """What those chosen have in common, and no other has; "" if there is nothing."""
    those = [variant for variant in found if chosen(variant)]
    others = [base, *(variant for variant in found if not chosen(variant))]
    for words, has in properties(found) if those else ():
        if all(map(has, those)) and not any(map(has, others)):
            return words
    return ""


Property = Callable[[Swept], bool]


def properties(found: Sequence[Swept]) -> Iterator[tuple[str, Property]]:
    """What may tell variants apart, the simplest first."""
    yield "the batch is empty", lambda v: 0 in v.shape
    yield "the array is not contiguous", lambda v: not v.contiguous
    for words in LAYOUTS:
        yield f"the array is {words}", partial(is_called, words)
    for rank in sorted({len(v.shape) for v in found}):
        for sign, compares in COMPARISONS.items():
            yield f"ndim {sign} {rank}", partial(has_rank, compares, rank)
    yield "an axis has size 1", lambda v: 1 in v.shape
    for axis in range(max((len(v.shape) for v in found), default=0)):
        sizes = sorted({v.shape[axis] for v in found if len(v.shape) > axis})
        yield f"axis {axis} has size 1", partial(has_size, operator.eq, axis, 1)
        for size in sizes:
            yield f"axis {axis} is longer than {size}", partial(has_size, operator.gt, axis, size)


COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "is": operator.eq,
    "is not": operator.ne,
}


def is_called(words: str, variant: Swept) -> bool:
    return variant.words == words


def has_rank(compares: Callable[[int, int], bool], rank: int, variant: Swept) -> bool:
    return compares(len(variant.shape), rank)


def has_size(compares: Callable[[int, int], bool], axis: int, size: int, variant: Swept) -> bool:
    return len(variant.shape) > axis and compares(variant.shape[axis], size)
