"""Mistakes made with a softmax's mask: forgotten in backward, or taken after the softmax."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch

from ..kinds import Mistake, change_gradient, output_gradient, place_of, within
from ..operations import MOVES, Edit, Edits, Gradients, Op, Tensor, Value
from ..tape import Tape
from .arguments import all_derivatives_at

SOFTMAXES = {"_softmax", "_safe_softmax"}


def mask_changes(tape: Tape) -> Iterator[Mistake]:
    """A softmax of masked scores, taken in backward without the mask, or masked behind it."""
    for op in tape.ops:
        scores = unmasked(op.inputs[0]) if op.short in SOFTMAXES else None
        if scores is None:
            continue
        p, axis = op.outputs[0], op.flat[1]
        seen = (op.inputs[0].tensor != -torch.inf).to(p.tensor)
        everything = scores.tensor.softmax(axis)
        name = f"{op.name}{within(op)}"
        for masked, how in ((False, "without its mask"), (True, "and masked only then")):
            wrong = everything * seen if masked else everything
            elsewhere = taken_at(p, wrong)
            for both in (False, True):
                for hidden in (False, True) if not masked else (False,):
                    edits: dict[int, list[Edit]] = defaultdict(list)
                    edits[op.index].append(jacobian_at(wrong, axis))
                    if hidden:
                        edits[op.index].append(change_gradient(0, lambda g, seen=seen: g * seen))
                    for index, edit in elsewhere.items() if both else ():
                        edits[index] += edit
                    where = "and all that it is used in," if both else "and only that,"
                    then = ", its gradient masked behind it" if hidden else ""
                    yield Mistake(
                        "mask-forgotten",
                        f"in backward {name}, {where} is taken {how}{then}",
                        place_of(op),
                        dict(edits),
                        frozenset().union(p.reaches, *(tape.ops[i].reaches for i in edits)),
                        1,
                    )


def unmasked(value: Value) -> Value | None:
    """The scores that a mask hides a part of; None if there is no mask."""
    op = value.producer
    if op is None or op.function is None or not bool((value.tensor == -torch.inf).any()):
        return None
    shown = [v for v in op.inputs if v.tensor.shape == value.tensor.shape]
    if op.short not in ("add", "masked_fill", "where") or not shown:
        return None
    return shown[0] if bool(torch.isfinite(shown[0].tensor).all()) else None


def jacobian_at(y: Tensor, axis: int) -> Edit:
    """The softmax's derivative in terms of its result, with another result."""

    def edit(op: Op, grad_outputs: Gradients, grad_inputs: Gradients) -> Gradients:
        through = output_gradient(grad_outputs) * y
        return [through - y * through.sum(axis, keepdim=True), *grad_inputs[1:]]

    return edit


def taken_at(value: Value, wrong: Tensor) -> Edits:
    """Edits that take every derivative at another value than this one."""
    edits: dict[int, list[Edit]] = defaultdict(list)
    for op, slot in value.consumers:
        at: dict[int, Any] = {op.slots[slot][0]: wrong}
        if op.short in MOVES:
            for index, more in taken_at(op.outputs[0], op.run(at)[1][0].detach()).items():
                edits[index] += more
        elif op.function is not None:
            edits[op.index].append(all_derivatives_at(at))
    return dict(edits)
