"""Mistakes made with what a derivative is taken at: another value, an old one, a new weight."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_unflatten

from ..kinds import (
    POINTWISE,
    PRODUCTS,
    Change,
    Mistake,
    at_slot,
    name_of,
    place_of,
    rank_of,
    within,
)
from ..operations import MOVES, Edit, Edits, Op, Tensor, Value
from ..steps import neighbours
from ..tape import Tape
from .gradients import SPLITS

LINEAR = MOVES | SPLITS | {"add", "sub", "rsub", "cat", "stack", "sum", "neg"}
NEAR = 16  # how far along the tape a wrong argument is looked for


def derivative_at(slot: int, at: dict[int, Any]) -> Edit:
    """An edit that takes the derivative towards one input at other arguments, by position."""
    return at_slot(slot, lambda op, grad_outputs, grad_input: op.vjp(grad_outputs, at)[slot])


def all_derivatives_at(at: dict[int, Any]) -> Edit:
    """An edit that takes an operation's derivatives at other arguments, by position."""
    return lambda op, grad_outputs, grad_inputs: op.vjp(grad_outputs, at)


def argument_changes(tape: Tape, op: Op, slot: int) -> Iterator[Change]:
    """The derivative towards one input taken at other arguments than those of the forward pass."""
    name = f"{op.name}{within(op)}"
    slots = {position: value for position, value in op.slots}
    for position, argument in enumerate(op.flat):
        if not torch.is_tensor(argument) or not argument.is_floating_point():
            continue
        if op.short in LINEAR:  # its derivative is the same wherever it is taken
            break
        value = slots.get(position)
        label = value.name if value is not None else "a constant"
        here = value.tensor if value is not None else argument
        if op.short in PRODUCTS and position == op.slots[slot][0]:
            continue  # a product's derivative towards a factor does not look at that factor
        if op.short in PRODUCTS and not _is_mask(here):
            yield (
                "forgotten-factor",
                f"ones {position}",
                f"the derivative of {name} is taken with ones for {label}",
                derivative_at(slot, {position: torch.ones_like(here)}),
            )
        if _is_mask(here):
            yield (
                "forgotten-factor",
                f"mask {position}",
                f"the mask of {name} is left out of the gradient",
                derivative_at(slot, {position: torch.ones_like(here)}),
            )
            top = float(here[here != 0][0])
            yield (
                "forgotten-factor",
                f"kept {position}",
                f"the mask of {name} is left out of the gradient, its scale kept",
                derivative_at(slot, {position: torch.full_like(here, top)}),
            )
            yield (
                "forgotten-factor",
                f"scale {position}",
                f"the scale of the mask of {name} is left out of the gradient",
                derivative_at(slot, {position: (here != 0).to(here)}),
            )
            yield (
                "wrong-argument",
                f"inverse {position}",
                f"the gradient passes {name} where the mask is zero",
                derivative_at(slot, {position: (here == 0).to(here) * top}),
            )
        elif op.short not in PRODUCTS:  # there it is the sign, or a path left out, and no more
            yield (
                "wrong-argument",
                f"zeros {position}",
                f"the derivative of {name} is taken with zero for {label}",
                derivative_at(slot, {position: torch.zeros_like(here)}),
            )
            yield (
                "wrong-argument",
                f"minus {position}",
                f"the derivative of {name} is taken at minus {label}",
                derivative_at(slot, {position: -here}),
            )
        if here.dim() >= 2 and here.shape[-1] == here.shape[-2]:
            yield (
                "transpose",
                f"transposed {position}",
                f"the derivative of {name} is taken with {label} transposed",
                derivative_at(slot, {position: here.transpose(-1, -2).contiguous()}),
            )
        if op.short == "convolution" and position == 1:
            for axes in ([*range(2, here.dim())], *([a] for a in range(2, here.dim()))):
                if any(here.shape[a] > 1 for a in axes):
                    yield (
                        "kernel-not-flipped",
                        f"kernel {axes}",
                        f"the kernel of {name} is not flipped for the input's gradient",
                        derivative_at(slot, {position: here.flip(axes)}),
                    )
        if value is not None:
            for what_else, slip in slips(value):
                if slip.shape == here.shape and not torch.equal(slip, here):
                    yield (
                        "wrong-argument",
                        f"slip {position} {what_else}",
                        f"the derivative of {name} is taken with {what_else} for {label}",
                        derivative_at(slot, {position: slip}),
                    )
        for distance in range(-NEAR, NEAR + 1):
            if not 0 <= op.index + distance < len(tape.ops):
                continue
            for j, other in enumerate(tape.ops[op.index + distance].outputs):
                if other is value or other.tensor.shape != here.shape or (distance == 0 and j):
                    continue
                if torch.equal(other.tensor, here) or not other.tensor.is_floating_point():
                    continue
                elsewhere = "its own output" if distance == 0 else name_of(other)
                elsewhere += later_or_earlier(other, value)
                yield (
                    "wrong-argument",
                    f"at {position} {distance} {j}",
                    f"the derivative of {name} is taken at {elsewhere} in place of {label}",
                    derivative_at(slot, {position: other.tensor}),
                )
    if POINTWISE in op.function.tags and len(op.inputs) == 1 and len(op.outputs) == 1:
        x, y = op.inputs[0].tensor, op.outputs[0].tensor
        if x.shape == y.shape:
            yield (
                "wrong-argument",
                "input for output",
                f"the derivative of {name}, in terms of its output, is taken at its input",
                saved_as(x),
            )
            for where, there in neighbours(op):
                yield (
                    "wrong-argument",
                    f"output of {where}",
                    f"the derivative of {name}, in terms of its output, is taken at that of "
                    f"{where}",
                    saved_as(there),
                )
    yield from option_changes(op, slot)


def later_or_earlier(one: Value, other: Value | None) -> str:
    """ " of the step before", where both are the same at one step and the next."""
    there, here = one.producer, other.producer if other else None
    if there is None or here is None or there.step is None or there.step is not here.step:
        return ""
    return f" of the step {'before' if there.index < here.index else 'after'}"


def saved_as(other: Tensor) -> Edit:
    """An edit after which what an operation has saved of this shape is another tensor."""
    return lambda op, grad_outputs, grad_inputs: op.vjp_with_saved(
        grad_outputs, lambda saved: other if saved.shape == other.shape else saved
    )


def slips(value: Value) -> Iterator[tuple[str, Tensor]]:
    """What a value would be had its own computation gone wrong: a term left out, a sign turned."""
    op = value.producer
    if op is not None and op.short in SPLITS:  # what is split went wrong
        number = op.outputs.index(value)
        for words, whole in slips(op.inputs[0]):
            yield words, op.run({op.slots[0][0]: whole})[1][number].detach()
        return
    while op is not None and op.short in MOVES and op.inputs:
        if op.inputs[0].tensor.shape != value.tensor.shape:
            return
        value, op = op.inputs[0], op.inputs[0].producer
    if op is None or op.function is None or op.short not in ("add", "sub", "mul", "div"):
        return
    a, b, *_ = [*floating_arguments(op, numbers=True).values(), None, None]
    if a is None or b is None:
        return
    others = {"add": a - b, "sub": a + b, "mul": a / b, "div": a * b}
    words = {"add": "the difference", "sub": "the sum", "mul": "the quotient", "div": "the product"}
    yield words[op.short], others[op.short]
    for alone_, which in ((a, "the first operand alone"), (b, "the second operand alone")):
        only = torch.as_tensor(alone_, dtype=value.tensor.dtype)
        yield f"{which} of {op.name}", only.expand_as(value.tensor).contiguous()


def option_changes(op: Op, slot: int) -> Iterator[Change]:
    """Plain numbers among the arguments: exponents, slopes, axes, what is ignored."""
    name = f"{op.name}{within(op)}"
    schema = op.function._schema.arguments
    args, _ = tree_unflatten(op.flat, op.spec)
    if any(isinstance(argument, list | tuple) for argument in args):
        return  # positions are not those of the schema
    for position, value in enumerate(op.flat):
        if not isinstance(value, int | float):
            continue
        argument = schema[position] if position < len(schema) else None
        option = argument.name if argument is not None else "option"
        if option == "training" and any(x is None for x in op.flat):
            continue  # without running statistics PyTorch would read what is not there, and crash
        others: list[Any] = []
        if argument is not None and argument.default_value is not None:
            others.append(argument.default_value)
        if isinstance(value, bool):
            others.append(not value)
        elif option in ("dim", "axis") and isinstance(value, int):
            others += range(op.inputs[slot].tensor.dim())
        elif isinstance(value, int | float):
            others += [0, 1, value - 1, value + 1, -value] + ([1 / value] if value else [])
        for number, other in enumerate(others):
            if (
                other == value
                or other in others[:number]
                or isinstance(other, list)
                or (option == "reduction" and other not in (0, 1, 2))
            ):
                continue
            yield (
                "option-ignored",
                f"{option} {other}",
                f"the derivative of {name} is taken with {option} = {other:.6g}, not {value:.6g}",
                derivative_at(slot, {position: other}),
            )


def _is_mask(x: Tensor) -> bool:
    """Whether it is zero or one other number everywhere, both of them somewhere."""
    if x.numel() < 2 or not (x == 0).any():
        return False
    rest = x[x != 0]
    return rest.numel() > 0 and bool((rest == rest.reshape(-1)[0]).all())


def stale(tape: Tape, previous: Tape) -> Iterator[Mistake]:
    """Derivatives taken at what the call before had saved: one operation's, or everything's."""
    shapes = [[v.tensor.shape for v in op.outputs] for op in tape.ops]
    if shapes != [[v.tensor.shape for v in op.outputs] for op in previous.ops]:
        return
    every: dict[int, list[Edit]] = {}
    for op, before in zip(tape.ops, previous.ops, strict=True):
        now, then = floating_arguments(op), floating_arguments(before)
        at = {p: then[p] for p in now if p in then and not torch.equal(now[p], then[p])}
        if op.function is None or not at:
            continue
        edit = all_derivatives_at(at)
        every[op.index] = [edit]
        what = f"the derivative of {op.name}{within(op)} is taken at the values of the call before"
        reaches = frozenset().union(*(v.reaches for v in op.inputs))
        yield Mistake("stale-cache", what, place_of(op), {op.index: [edit]}, reaches, rank_of(op))
    if every:
        what = "backward uses what the forward of the call before has saved"
        yield Mistake("stale-cache", what, "backward", every, frozenset(tape.leaves), -1)


def floating_arguments(op: Op, numbers: bool = False) -> dict[int, Any]:
    """The floating-point arguments of an operation, by position; plain numbers too, if wanted."""
    slots = {position: value.tensor for position, value in op.slots}
    arguments = {i: slots.get(i, x) for i, x in enumerate(op.flat)}
    return {
        i: x
        for i, x in arguments.items()
        if (x.is_floating_point() if torch.is_tensor(x) else numbers and isinstance(x, int | float))
    }


def update_edits(tape: Tape, steps: Mapping[str, float], used: Mapping[str, Tensor]) -> Edits:
    """Edits for an early update: derivatives at parameters moved by −step times their gradient.

    Args:
        used: the gradients of the parameters that they were updated with.
    """
    moved: dict[int, Tensor] = {}  # by value: those that come from parameters alone
    for name, step in steps.items():
        value = tape.leaves[name]
        if used[name].shape != value.tensor.shape:
            return {}
        moved[id(value)] = value.tensor - step * used[name]
    edits: dict[int, list[Edit]] = {}
    for op in tape.ops:
        at = {position: moved[id(v)] for position, v in op.slots if id(v) in moved}
        if not at:
            continue
        if all(reached in steps for v in op.inputs for reached in v.reaches):
            for value, tensor in zip(op.outputs, op.run(at)[1], strict=True):
                moved[id(value)] = tensor.detach()
        elif op.function is not None:
            edits[op.index] = [all_derivatives_at(at)]
    return edits
