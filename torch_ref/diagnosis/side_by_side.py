"""Several replays of a tape at once: each gradient has one row for every replay."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from .kinds import POINTWISE
from .operations import MOVES, Above, Edit, Edits, Gradients, Op, Tensor, total
from .tape import Tape

# Operations whose backward takes all rows at once; another one takes them one by one.
AT_ONCE = MOVES | {"mm", "bmm", "cat", "stack", "split", "sum", "mean", "_softmax"}


def replay_many(tape: Tape, several: Sequence[Edits]) -> tuple[dict[str, Tensor], list[int]]:
    """What each of several replays gives, along a first axis of the gradients of all leaves.

    Returns:
        The gradients; and the replays that cannot be made so, as where an edit changes a shape:
        their rows mean nothing.
    """
    planted: dict[int, list[tuple[int, Sequence[Edit]]]] = defaultdict(list)
    for row, edits in enumerate(several):
        for index, own in edits.items():
            planted[index].append((row, own))
    rows = len(several)
    changed: dict[int, Gradients] = {}  # each with a first axis of rows
    touched: set[int] = set()
    failed: set[int] = set()
    notes: list[dict[Any, Tensor]] = [{} for _ in several]

    def all_rows(grad: Tensor | None) -> Tensor | None:
        return None if grad is None else grad.expand(rows, *grad.shape)

    def gradient(op: Op, slot: int) -> Tensor | None:
        if op.index in changed:
            return changed[op.index][slot]
        return all_rows(tape.right(op)[slot])

    for op in reversed(tape.ops[: max(planted, default=-1) + 1]):
        if op.index not in planted and not any(id(value) in touched for value in op.outputs):
            continue
        above = [total([gradient(*use) for use in value.consumers]) for value in op.outputs]
        if op in tape.upstream:
            above = [all_rows(grad) for grad in tape.right(op)]
        grads = list(above) if op.function is None else backward(op, above, rows)
        if op.index in planted:
            grads = [None if grad is None else grad.clone() for grad in grads]
        for row, own in planted.get(op.index, ()):
            try:
                edited: Gradients = [None if grad is None else grad[row] for grad in grads]
                own_above = [None if grad is None else grad[row] for grad in above]
                outer = Above(own_above, notes[row])
                for edit in own:
                    edited = edit(op, outer, edited)
                for grad, new in zip(grads, edited, strict=True):
                    if grad is None or new is None or new.shape != grad.shape[1:]:
                        failed |= {row} if grad is not new else set()
                    else:
                        grad[row] = new
            except (RuntimeError, IndexError, ValueError, TypeError):
                failed.add(row)  # a replay by itself says whether anybody's code could run so
        changed[op.index] = grads
        touched |= {id(value) for value in op.inputs}
    gradients = {}
    for name, value in tape.leaves.items():
        grad = total([gradient(*use) for use in value.consumers])
        gradients[name] = torch.zeros(rows, *value.tensor.shape) if grad is None else grad
    return gradients, sorted(failed)


def backward(op: Op, above: Gradients, rows: int) -> Gradients:
    """An operation's vector-Jacobian products, of all rows."""
    if op.function is not None and (POINTWISE in op.function.tags or op.short in AT_ONCE):
        return op.vjp(above, batched=True)
    each = [op.vjp([None if g is None else g[row] for g in above]) for row in range(rows)]
    return [
        None if any(grad is None for grad in grads) else torch.stack(grads)
        for grads in zip(*each, strict=True)
    ]
