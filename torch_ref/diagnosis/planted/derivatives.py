"""Mistakes made with a local derivative: left out, twice, another one, its diagonal only."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from ..kinds import (
    POINTWISE,
    Change,
    at_slot,
    change_gradient,
    from_output,
    output_gradient,
    within,
)
from ..operations import Above, Edit, Edits, Gradients, Op, Tensor
from .spans import (
    DIAGONAL_LIMIT,
    constant_in,
    is_linear_map,
    lone,
    note_above,
    times_number,
)


def derivative_changes(op: Op, slot: int) -> Iterator[Change]:
    """An operation that returns the shape of its input: what may stand in for its derivative."""
    x = op.inputs[slot].tensor
    y = op.outputs[0].tensor
    if op.short in ("t", "transpose", "permute"):
        of = f"the gradient of {op.inputs[slot].name}"
        what = "not transposed back" if y.shape == x.shape else "reshaped where it must be moved"
        how = from_output(slot, lambda g: g.reshape(x.shape))
        yield "transpose", "kept", f"{of} is {what}", how
        return
    if y.shape != x.shape or any(value.reaches for value in op.outputs[1:]):
        return
    name = f"{op.name}{within(op)}"
    unary = len(op.inputs) == 1 and sum(map(torch.is_tensor, op.flat)) == 1
    pointwise = POINTWISE in op.function.tags
    position = op.slots[slot][0]

    number = times_number(op) if unary else None
    left_out = "forgotten-derivative" if unary else "forgotten-factor"
    others = [value.name for i, value in enumerate(op.inputs) if i != slot]
    gates = [f", {other}," for other in others if other.startswith("gate")]
    factor = "the derivative of" if unary else f"the other factor{''.join(gates)} of"
    what = f"{factor} {name} is left out (taken as 1)"
    if number is not None:
        left_out, what = "number-forgotten", f"the number of {name}, {number:.6g}, is left out"
    yield left_out, "one", what, from_output(slot, lambda g: g)
    if pointwise and op.short not in ("add", "sub", "rsub", "neg", "expand"):
        what = f"the upstream gradient is left out where it comes through {name}"
        yield "forgotten-upstream", "alone", what, at_slot(slot, partial(alone, slot))
    if (exponent := exponent_of(op)) not in (None, 0, 1):
        yield (
            "number-forgotten",
            "exponent",
            f"the exponent of {name}, {exponent:.6g}, does not multiply the gradient",
            change_gradient(slot, lambda grad: grad / exponent),
        )
    if not unary:
        return
    yield (
        "activation-for-derivative",
        "y",
        f"the gradient is multiplied by {name} itself, not by its derivative",
        from_output(slot, lambda g: g * y),
    )
    yield (
        "activation-for-derivative",
        "x",
        f"the gradient is multiplied by the input of {name}, not by the derivative",
        from_output(slot, lambda g: g * x),
    )

    def applied(op: Op, grad_outputs: Gradients, grad_input: Tensor) -> Tensor:
        return op.run({position: output_gradient(grad_outputs)})[1][0].detach()

    kind, what = "activation-on-gradient", "in place of multiplying by its derivative"
    if not pointwise and is_linear_map(lone(op)):
        kind, what = "transpose", "as if it were its own transpose"
    yield kind, "f(g)", f"{name} is applied to the gradient, {what}", at_slot(slot, applied)
    kind, of = "derivative-twice", "derivative"
    if number is not None:
        kind, of = "number-forgotten", "number"
    yield (
        kind,
        "twice",
        f"the {of} of {name}{f', {number:.6g},' if number else ''} is multiplied in twice",
        lambda op, grad_outputs, grad_inputs: op.vjp(
            [grad_inputs[0], *[None] * (len(op.outputs) - 1)]
        ),
    )
    if op.short in ("_softmax", "_log_softmax") and isinstance(op.flat[1], int):
        back = getattr(torch.ops.aten, f"{op.short}_backward_data")
        for axis in range(x.dim()):
            if axis != op.flat[1] % x.dim() and x.shape[axis] > 1:
                yield (
                    "option-ignored",
                    f"axis {axis}",
                    f"the sum in the derivative of {name} goes over axis {axis}, not "
                    f"{op.flat[1] % x.dim()}",
                    from_output(slot, lambda g, axis=axis: back(g, y, axis, y.dtype)),
                )
    if not pointwise:
        if x.numel() <= DIAGONAL_LIMIT:
            yield (
                "diagonal-only",
                "diagonal",
                f"of the Jacobian of {name} only the diagonal is used",
                from_output(slot, lambda g: g * diagonal(op)),
            )
            yield (
                "diagonal-only",
                "off-diagonal",
                f"of the Jacobian of {name} all but the diagonal is used",
                at_slot(slot, lambda op, above, grad_input: grad_input - above[0] * diagonal(op)),
            )
        return
    yield (
        "wrong-derivative",
        "divided",
        f"the gradient is divided by the derivative of {name}",
        from_output(slot, lambda g: g / op.vjp([torch.ones_like(g)])[0]),
    )
    for formula, slope in other_slopes(x, y):
        yield (
            "wrong-derivative",
            formula,
            f"for the derivative of {name} stands {formula}",
            from_output(slot, lambda g, slope=slope: g * slope),
        )


def alone(slot: int, op: Op, grad_outputs: Gradients, grad_input: Tensor) -> Tensor | None:
    """The derivative by itself."""
    ones = torch.ones_like(output_gradient(grad_outputs))
    return op.vjp([ones, *[None] * (len(op.outputs) - 1)])[slot]


def exponent_of(op: Op) -> float | None:
    """The number that a power is taken to."""
    return constant_in(op, 1) if op.short == "pow" and op.slots[0][0] == 0 else None


def other_slopes(x: Tensor, y: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Derivatives of other functions, and what is easily written for a derivative of y = f(x)."""
    for formula, slope in {
        "y(1 − y)": y * (1 - y),
        "x(1 − x)": x * (1 - x),
        "y(1 + y)": y * (1 + y),
        "1 − y²": 1 - y * y,
        "1 + y²": 1 + y * y,
        "1 − x²": 1 - x * x,
        "1 − y": 1 - y,
        "1 + y": 1 + y,
        "1 − (1 − y)²": 1 - (1 - y) ** 2,
        "σ(x)": torch.sigmoid(x),
        "σ(−x)": torch.sigmoid(-x),
        "σ′(x)": torch.sigmoid(x) * torch.sigmoid(-x),
        "tanh x": torch.tanh(x),
        "tanh′(x)": 1 - torch.tanh(x) ** 2,
        "eˣ": torch.exp(x),
        "the step x > 0": (x > 0).to(x),
        "the step x < 0": (x < 0).to(x),
        "sign x": torch.sign(x),
    }.items():
        if slope.numel() and not bool((slope == slope.reshape(-1)[0]).all()):
            yield formula, slope  # a constant would be a factor


def skipped_derivatives(op: Op) -> Iterator[tuple[int, str, str, str, Edits]]:
    """The derivative of an activation left out on one of the paths behind it, not on the others.

    Yields:
        The slot of this operation, which is the activation; kind, key, words, and the edits.
    """
    if op.function is None or POINTWISE not in op.function.tags or len(op.inputs) != 1:
        return
    added = op.inputs[0].producer
    if added is None or added.function is None or added.short not in ("add", "sub"):
        return
    name = f"{op.name}{within(op)}"

    def skipping(slots: Sequence[int], path: Sequence[Op]) -> Edit:
        """At the last operation of the path: the gradient that came without the derivative."""

        def edit(at: Op, grad_outputs: Above, grad_input: Tensor) -> Tensor | None:
            grad: Tensor | None = grad_outputs.notes[op]
            for step, slot in zip(path, slots, strict=True):
                grad = None if grad is None else step.vjp([grad])[slot]
            return grad

        return at_slot(slots[-1], edit)

    for slot, value in enumerate(added.inputs):
        ends: list[tuple[list[Op], list[int]]] = [([added], [slot])]
        inner = value.producer
        if inner is not None and inner.function is not None and inner.short == "mul":
            ends += [([added, inner], [slot, i]) for i in range(len(inner.inputs))]
        for path, slots in ends:
            towards = path[-1].inputs[slots[-1]].name
            edits: Edits = {op.index: [note_above], path[-1].index: [skipping(slots, path)]}
            what = f"the derivative of {name} is left out on the path to {towards}"
            yield 0, "forgotten-derivative", f"towards {slots}", what, edits


def diagonal(op: Op) -> Tensor:
    """The diagonal of the Jacobian of an operation with one input and one output of one shape."""
    y = op.outputs[0].tensor
    entries = torch.zeros(y.numel(), dtype=y.dtype)
    for i in range(y.numel()):
        unit = torch.zeros_like(y)
        unit.view(-1)[i] = 1
        grad = op.vjp([unit])[0]
        entries[i] = 0 if grad is None else grad.reshape(-1)[i]
    return entries.view_as(y)


def source_of(op: Op) -> Tensor | None:
    """Which element of the input each element of the output is, where an operation only picks.

    None for an operation that does anything else.
    """
    if len(op.inputs) != 1 or POINTWISE in op.function.tags or op.short == "expand":
        return None
    x = op.inputs[0].tensor
    y = op.outputs[0].tensor
    probe = torch.arange(1, x.numel() + 1, dtype=torch.float64).view_as(x)
    position = op.slots[0][0]
    if op.short.startswith("max_pool") or op.short.startswith("adaptive_max_pool"):
        if len(op.outputs) < 2:
            return None
        inside = op.outputs[1].tensor  # its place within one channel
        axes = 3 if op.short.startswith(("max_pool3d", "adaptive_max_pool3d")) else 2
        channels = x.shape[: x.dim() - axes]
        size = x.numel() // max(1, channels.numel())
        offset = torch.arange(0, x.numel(), max(1, size)).view([*channels, *[1] * axes])
        return inside + offset
    picked = op.run({position: probe.to(x.dtype)})[1][0].detach().double()
    if picked.shape != y.shape:
        return None
    index = picked.round().long() - 1
    if ((index < 0) | (index >= x.numel())).any() or not torch.equal(
        x.reshape(-1)[index.reshape(-1)].view_as(y), y
    ):
        return None
    return index


def picking_changes(op: Op) -> Iterator[Change]:
    """Elements that several outputs were picked from: assigned where they must add up."""
    index = source_of(op)
    if index is None or index.unique().numel() == index.numel():
        return
    name = f"{op.name}{within(op)}"

    def assigned(op: Op, grad_outputs: Gradients, grad_input: Tensor, first: bool) -> Tensor:
        grad = torch.zeros_like(grad_input).reshape(-1)
        places, values = index.reshape(-1), output_gradient(grad_outputs).reshape(-1)
        if first:
            places, values = places.flip(0), values.flip(0)
        for place, value in zip(places.tolist(), values, strict=True):  # in this order, one by one
            grad[place] = value
        return grad.view_as(grad_input)

    def averaged(op: Op, grad_outputs: Gradients, grad_input: Tensor) -> Tensor:
        uses = torch.bincount(index.reshape(-1), minlength=grad_input.numel()).clamp(min=1)
        return grad_input / uses.view_as(grad_input)

    for which, first in (("last", False), ("first", True)):
        yield (
            "assigned-for-added",
            which,
            f"where {name} reads an element several times, its {which} gradient is assigned, "
            "and the others are lost",
            at_slot(0, partial(assigned, first=first)),
        )
    yield (
        "assigned-for-added",
        "averaged",
        f"where {name} reads an element several times, its gradients are averaged",
        at_slot(0, averaged),
    )
