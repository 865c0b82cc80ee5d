"""Mistakes made with a product's or a lookup's operands: the gradient in it, its indices.

A product's gradient towards one factor is the upstream gradient times the other factor. Code writes
it once for every factor, and may take another array for the upstream gradient in one of them.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch.utils._pytree import tree_unflatten

from ..kinds import (
    POINTWISE,
    PRODUCTS,
    Change,
    at_slot,
    from_output,
    name_of,
    output_gradient,
    within,
)
from ..operations import Edit, Gradients, Op, Tensor
from ..tape import Tape
from .arguments import derivative_at
from .gradients import only_at

NEAR = 10  # how far along the tape another array is looked for
MATRICES = {"mm", "bmm", "mv", "convolution", "_trilinear"}


def operand_changes(tape: Tape, op: Op, slot: int) -> Iterator[Change]:
    """Towards one factor of a product: the upstream gradient transposed, cut off, another array."""
    if op.short not in PRODUCTS or len(op.outputs) != 1:
        return
    y = op.outputs[0].tensor
    towards = f"towards {op.inputs[slot].name}, the gradient of {op.name}{within(op)}"

    def made(new: Callable[[Tensor], Tensor]) -> Edit:
        def changed(op: Op, grad_outputs: Gradients, grad_input: Tensor) -> Tensor | None:
            return op.vjp([new(output_gradient(grad_outputs))])[slot]

        return at_slot(slot, changed)

    if op.short in MATRICES and y.dim() > 1:
        if y.shape[-1] == y.shape[-2]:
            what = f"{towards} is taken with the upstream gradient transposed"
            yield "transpose", "upstream transposed", what, made(lambda g: g.transpose(-1, -2))
        for axes, which in parts_of(op, y):
            for end in ("first", "last"):
                what = f"{towards} is taken from the {end} {which} alone"
                cut = partial(cut_to, axes=axes, last=end == "last")
                yield "dropped-index", f"{end} {which}", what, made(cut)
    for label, other, kind in stand_ins(tape, op) if op.step is None else ():
        what = f"{towards} is taken with {label} for the upstream gradient"
        yield kind, f"upstream {label}", what, made(partial(instead, other))


def cut_off(op: Op) -> Iterator[Change]:
    """Towards all factors of a product: the gradient of one turn of the loop alone."""
    if op.short not in MATRICES or len(op.outputs) != 1 or len(op.slots) < 2:
        return
    for axes, which in parts_of(op, op.outputs[0].tensor):
        for end in ("first", "last"):

            def changed(
                op: Op,
                grad_outputs: Gradients,
                grad_inputs: Gradients,
                axes: list[int] = axes,
                last: bool = end == "last",
            ) -> Gradients:
                return op.vjp([cut_to(output_gradient(grad_outputs), axes, last)])

            what = f"the gradient of {op.name}{within(op)} is that of the {end} {which} alone"
            yield "dropped-index", f"{end} {which}, all", what, changed


def instead(other: Tensor, g: Tensor) -> Tensor:
    """Another array, whatever the gradient is."""
    return other


def parts_of(op: Op, y: Tensor) -> Iterator[tuple[list[int], str]]:
    """Axes of a product's result that a loop goes over, and what one turn of it is."""
    if op.short == "convolution":
        spatial = [axis for axis in range(2, y.dim()) if y.shape[axis] > 1]
        if spatial:
            yield spatial, "window"
        if len(spatial) > 1:
            yield from (([axis], f"window of axis {axis}") for axis in spatial)
    if y.shape[0] > 1:
        yield [0], "sample" if op.short == "convolution" else "row"


def cut_to(g: Tensor, axes: list[int], last: bool) -> Tensor:
    """All but the first index of these axes, or the last, set to zero."""
    for axis in axes:
        g = only_at(g, axis, [g.shape[axis] - 1 if last else 0])
    return g


def stand_ins(tape: Tape, op: Op) -> Iterator[tuple[str, Tensor, str]]:
    """Arrays of the result's shape that may be taken for its gradient: words, array, kind."""
    y = op.outputs[0]
    seen = [g for g in tape.at_outputs(op) if g is not None]
    behind = derivatives_behind(op)
    for other in tape.ops[max(0, op.index - NEAR) : op.index + NEAR + 1]:
        for value in other.outputs:
            if value.tensor.shape != y.tensor.shape or not value.tensor.is_floating_point():
                continue
            grad = tape.gradient(value, {}) if value.consumers else None
            if grad is not None and not any(torch.equal(grad, g) for g in seen):
                seen.append(grad)
                kind = "forgotten-derivative" if other in behind else "wrong-argument"
                left_out = f", the derivative of {other.name} left out," if other in behind else ""
                yield f"the gradient of {name_of(value)}{left_out}", grad, kind
            if not any(torch.equal(value.tensor, g) for g in seen):
                seen.append(value.tensor)
                yield f"{name_of(value)} itself", value.tensor, "wrong-argument"


def derivatives_behind(op: Op) -> list[Op]:
    """The activation that a product's result goes into, a bias added on the way or not."""
    value = op.outputs[0]
    while len(value.consumers) == 1:
        use = value.consumers[0][0]
        if use.function is None or len(use.outputs) != 1:
            break
        if POINTWISE in use.function.tags and len(use.inputs) == 1:
            return [use]
        if use.short != "add":
            break
        value = use.outputs[0]
    return []


def quotient_changes(op: Op, slot: int) -> Iterator[Change]:
    """The derivative of a/b, which is 1/b and −a/b², by another formula."""
    if op.short != "div" or len(op.slots) != 2:
        return
    a, b = (value.tensor for value in op.inputs)
    if a.shape != b.shape or not bool((b != 0).all()):
        return
    own = ("1/b", "−a/b²")[slot]
    forms = {"1/b": 1 / b, "b": b, "1/b²": 1 / b**2, "a": a, "a/b": a / b, "−a/b": -a / b}
    forms |= {"a/b²": a / b**2, "−a/b²": -a / b**2, "−1/b²": -1 / b**2, "−a": -a, "−1/b": -1 / b}
    for formula, slope in forms.items():
        if formula != own:
            what = f"towards {op.inputs[slot].name}, for the derivative {own} of {op.name}"
            what += f"{within(op)} stands {formula}"
            kind = "sign" if formula.strip("−") == own.strip("−") else "wrong-derivative"
            yield kind, f"quotient {formula}", what, from_output(slot, partial(times, slope))


def times(slope: Tensor, g: Tensor) -> Tensor:
    return g * slope


def index_changes(op: Op, slot: int) -> Iterator[Change]:
    """A lookup or a loss at other indices: the next class, or the target of the next sample."""
    size = op.inputs[slot].tensor.shape
    for position, index in enumerate(op.flat):
        if not torch.is_tensor(index) or index.dtype != torch.int64 or not index.numel():
            continue
        classes = max(int(index.max()) + 1, size[-1] if size else 1)
        others = {
            "one too high": (index + 1) % classes,
            "one too low": (index - 1) % classes,
        }
        for axis in range(index.dim()):
            if index.shape[axis] > 1:
                others[f"those of the place before, along axis {axis}"] = index.roll(1, axis)
                others[f"those of the place after, along axis {axis}"] = index.roll(-1, axis)
        for words, other in others.items():
            if torch.equal(other, index):
                continue

            what = f"the indices of {op.name}{within(op)} are {words}"
            yield "wrong-index", words, what, derivative_at(slot, {position: other})


def largest_changes(op: Op) -> Iterator[Change]:
    """The gradient of a largest or smallest value given to others than that one."""
    if op.short not in ("amax", "amin", "max", "min") or len(op.slots) != 1:
        return
    args, kwargs = tree_unflatten(op.flat, op.spec)
    x, y = op.inputs[0].tensor, op.outputs[0].tensor
    axes = args[1] if len(args) > 1 else kwargs.get("dim", [])
    if torch.is_tensor(axes):
        return  # of two arrays, one by one
    axes = [a % x.dim() for a in (axes if isinstance(axes, list | tuple) else [axes])]
    axes = axes or [*range(x.dim())]
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    if y.numel() != torch.Size(shape).numel():
        return
    own = x == y.reshape(shape)
    of_all = x.max() if "max" in op.short else x.min()
    count = torch.Size(x.shape[a] for a in axes).numel()
    ends = torch.zeros_like(x), torch.zeros_like(x)
    for end, at in zip(ends, (0, -1), strict=True):
        end[tuple(at if axis in axes else slice(None) for axis in range(x.dim()))] = 1
    ways = {
        "given to the first element": ends[0],
        "given to the last element": ends[1],
        "given to every element": torch.ones_like(x),
        "shared out evenly among all elements": torch.ones_like(x) / count,
        "given to every element that is as large as the largest": own.to(x),
        "given to the largest of all alone": (x == of_all).to(x),
    }
    for what, share in ways.items():

        def given(g: Tensor, share: Tensor = share) -> Tensor:
            return g.reshape(shape) * share

        words = f"the gradient of {op.name}{within(op)} is {what}"
        yield "not-the-largest", what, words, from_output(0, given)
