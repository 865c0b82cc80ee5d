"""What is done again at every time step, and what a recurrent layer's values are called.

A weight that is used several times marks the start of a step at each of its uses; what follows,
operation by operation the same, is the step. A mistake that is made in someone's loop over time is
made at all of them.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from .operations import MOVES, Op, Tensor, Value
from .tape import Tape


def note_steps(tape: Tape) -> None:
    """Note in every operation which one of which step it is, and name what steps carry on."""
    weights = [name for name in tape.leaves if not name.startswith("input")]
    for name in sorted(weights, key=lambda name: first_use(tape, name)):
        starts = starts_of(tape, name)
        free = [tape.ops[i:j] for i, j in pairwise(starts)]
        if not free:
            continue
        longest = min(map(len, free))
        runs = [tape.ops[start : start + longest] for start in starts]
        family = re.sub(r"_l\d+(_reverse)?$", "", name)
        for offset, ops in enumerate(zip(*runs, strict=False)):
            if len({op.short for op in ops}) > 1 or any(op.step for op in ops):
                break
            for op in ops:
                op.step, op.family = ops, (family, offset)
    for op in tape.ops:
        name_gates(op)
        name_states(op)


def starts_of(tape: Tape, name: str) -> list[int]:
    """Where a parameter, moved or not, is used: more than once, or nowhere."""
    value = tape.at_leaf[name].outputs[0]
    while len(value.consumers) == 1 and value.consumers[0][0].short in MOVES:
        value = value.consumers[0][0].outputs[0]
    starts = sorted({op.index for op, _ in value.consumers})
    return starts if len(starts) > 1 else []


def first_use(tape: Tape, name: str) -> int:
    return min(starts_of(tape, name), default=len(tape.ops))


def name_gates(op: Op) -> None:
    """Where a sum is split into the gates, each has its name behind its activation."""
    letters = {("LSTM", 4): "ifgo", ("GRU", 3): "rzn"}.get(
        ("LSTM" if "LSTM" in op.place else "GRU" if "GRU" in op.place else "", len(op.outputs))
    )
    for letter, value in zip(letters or "", op.outputs, strict=False):
        while value.consumers and (use := value.consumers[0][0]).short in ("add", "mul"):
            value = use.outputs[0]
        if value.consumers and use.short in ("sigmoid", "tanh"):
            use.outputs[0].title = f"gate {letter}"


def name_states(op: Op) -> None:
    """What a recurrent layer carries from one time step to the next has a name there."""
    recurrent = [v for v in op.inputs if len(v.reaches) == 1 and "weight_hh" in min(v.reaches)]
    for value in op.inputs if op.short == "mm" and recurrent else ():
        if value not in recurrent and value.producer and value.producer.function:
            value.title = "the hidden state"
    if op.short == "tanh" and "LSTM" in op.place:
        cell = op.inputs[0]
        if cell.producer and cell.producer.short == "add" and not op.outputs[0].title:
            cell.title = "the cell state"


def neighbours(op: Op) -> Iterator[tuple[str, Tensor]]:
    """What the same operation gave a step earlier, before the first what it started from; later."""
    if op.step is None or len(op.outputs) != 1:
        return
    number = op.step.index(op)
    if number:
        yield "the step before", op.step[number - 1].outputs[0].tensor
    elif (start := started_from(op)) is not None:
        yield "the step before", start
    if number + 1 < len(op.step):
        yield "the step after", op.step[number + 1].outputs[0].tensor


def started_from(first: Op) -> Tensor | None:
    """What stands in the first step where later ones have the result of the step before."""
    assert first.step is not None
    for use, slot in first.outputs[0].consumers:
        if use.step and use.step.index(use) == 1:
            position, there = use.slots[slot][0], use.step[0]
            values: dict[int, Value] = dict(there.slots)
            return values[position].tensor if position in values else there.flat[position]
    return None
