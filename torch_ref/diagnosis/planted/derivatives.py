"""Mistakes made with a local derivative: left out, twice, another one, its diagonal only."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import prod

import torch

from ..kinds import (
    POINTWISE,
    Change,
    Mistake,
    at_slot,
    change_gradient,
    from_output,
    output_gradient,
    within,
)
from ..operations import MOVES, Above, Edit, Edits, Gradients, Op, Tensor, total
from ..tape import Span

DIAGONAL_LIMIT = 2048  # elements of a Jacobian's diagonal, each a backward pass of its own
AT_MOST = 64  # ways of a formula to have the upstream gradient where its input belongs

WAYS = {
    1: "taken at it",
    2: "not multiplied by it",
    3: "taken at it and not multiplied by it",
}

Place = tuple[Op, int]  # an operation, and the slot of an input


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


def times_number(op: Op) -> float | None:
    """The number that an operation multiplies by, and does nothing else."""
    number = constant_in(op, 1)
    if op.short not in ("mul", "div") or not number:
        return None
    return number if op.short == "mul" else 1 / number


def constant_in(op: Op, position: int) -> float | None:
    """An argument that is one number, or an array of one number everywhere, without a gradient."""
    argument = op.flat[position] if len(op.flat) > position else None
    if position in (place for place, _ in op.slots) or isinstance(argument, bool):
        return None
    if torch.is_tensor(argument) and argument.numel():
        first = argument.reshape(-1)[0]
        return float(first) if bool((argument == first).all()) else None
    return float(argument) if isinstance(argument, int | float) else None


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


def note_above(op: Op, grad_outputs: Above, grad_inputs: Gradients) -> Gradients:
    """An edit that changes nothing: it keeps what came to an operation's output for later ones."""
    grad_outputs.notes[op] = output_gradient(grad_outputs)
    return grad_inputs


def span_changes(span: Span) -> Iterator[Mistake]:
    """A module or formula of several operations as one function, where its derivative belongs."""
    x, y = span.input.tensor, span.output.tensor
    name = f"{span.name} in {span.place}"
    each: dict[str, tuple[str, str, Callable[..., Tensor]]] = {
        "one": (
            "forgotten-derivative",
            f"the derivative of {name} is left out (taken as 1)",
            lambda g: g,
        ),
        "y": (
            "activation-for-derivative",
            f"the gradient is multiplied by {name} itself, not by its derivative",
            lambda g: g * y,
        ),
        "f(g)": (
            "activation-on-gradient",
            f"{name} is applied to the gradient, in place of multiplying by its derivative",
            lambda g: span.run(g).detach(),
        ),
    }
    if is_linear_map(span):
        what = f"{name} is applied to the gradient, as if it were its own transpose"
        each["f(g)"] = "transpose", what, each["f(g)"][2]
    if span.is_pointwise:
        slope = diagonal_of(span.run, x)
        each["twice"] = (
            "derivative-twice",
            f"the derivative of {name} is multiplied in twice",
            lambda g: g * slope * slope,
        )
    elif x.numel() <= DIAGONAL_LIMIT:
        entries = diagonal_of(span.run, x, pointwise=False)
        each["diagonal"] = (
            "diagonal-only",
            f"of the Jacobian of {name} only the diagonal is used",
            lambda g: g * entries,
        )
    last = span.ops[-1]
    if last.short in ("add", "sub", "rsub") and span.input in last.inputs:
        del each["one"]  # it is the other path that is left out
    for kind, what, change in each.values():
        yield Mistake(kind, what, span.place, on_span(span, change), span.input.reaches, 1)
    if span.is_pointwise:
        yield from at_the_upstream_gradient(span, name)


def lone(op: Op) -> Span:
    """One operation as a function."""
    span = Span(op.name, op.place or op.line, [op])
    span.find_edges()
    return span


def is_linear_map(span: Span) -> bool:
    """Whether a function of several operations is W x, for some matrix W."""
    x, y = span.input.tensor, span.output.tensor
    size = float(y.abs().max()) if y.numel() else 0.0
    halves = [span.run(x * part).detach() for part in (0.0, 0.25)]
    mixed = span.run(x.flip(0) + 2 * x).detach() - span.run(x.flip(0)).detach() if x.dim() else y
    apart = [halves[0], 4 * halves[1] - y, mixed - 2 * y]
    return size > 0 and all(float(a.abs().max()) <= 1e-9 * size for a in apart)


def diagonal_of(run: Callable[[Tensor], Tensor], x: Tensor, pointwise: bool = True) -> Tensor:
    """The diagonal of a function's Jacobian, which is all of it where that is pointwise."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        y = run(leaf)
        if pointwise:
            return torch.autograd.grad(y.sum(), leaf)[0]
        entries = [
            torch.autograd.grad(out, leaf, retain_graph=True)[0].reshape(-1)[i]
            for i, out in enumerate(y.reshape(-1))
        ]
    return torch.stack(entries).view_as(x)


def at_the_upstream_gradient(span: Span, name: str) -> Iterator[Mistake]:
    """The upstream gradient where the input belongs: in one operation's derivative, or in several.

    In a formula for the derivative the input stands in several places, and any of them may be
    mistaken; and where the last operation is a product, a term may lack the upstream gradient.
    """
    curved = [op for op in span.ops if not is_linear(op)]
    if not curved:
        return
    last = curved[-1]
    places = [(op, slot) for op in curved for slot in range(len(op.slots))]
    ways = [range(4 if op is last else 2) for op, _ in places]
    if prod(map(len, ways)) > AT_MOST:
        return

    def changed(ways: Mapping[Place, int]) -> Callable[[Tensor], Tensor]:
        def change(g: Tensor) -> Tensor:
            values = span.values(g)
            grads: dict[int, Tensor] = {id(span.output): g}
            alone: dict[int, Tensor] = {id(span.output): torch.ones_like(g)}
            for op in reversed(span.ops):
                at = {p: values[id(v)].detach() for p, v in op.slots if id(v) in values}
                for slot, value in enumerate(op.inputs):
                    way = ways.get((op, slot), 0)
                    above = [(alone if way & 2 else grads).get(id(v)) for v in op.outputs]
                    grad = op.vjp(above, at if way & 1 else None)[slot]
                    added = total([grads.get(id(value)), grad])
                    if added is not None:
                        grads[id(value)] = added
                    if (one := op.vjp([alone.get(id(v)) for v in op.outputs])[slot]) is not None:
                        alone[id(value)] = one
            return grads.get(id(span.input), torch.zeros_like(g))

        return change

    for chosen in product(*ways):
        own = {place: way for place, way in zip(places, chosen, strict=True) if way}
        if not any(way & 1 for way in own.values()):
            continue
        words = {
            f"that of {op.name} towards {op.inputs[slot].name} {WAYS[way]}"
            for (op, slot), way in own.items()
        }
        all_of_it = len(own) == len(places) and set(own.values()) == {1}
        where = "" if all_of_it else f": {'; '.join(sorted(words))}"
        what = f"the derivative of {name} is taken at the upstream gradient, not at "
        what += f"{span.input.name}{where}"
        edits = on_span(span, changed(own))
        yield Mistake("wrong-argument", what, span.place, edits, span.input.reaches, 2)


def is_linear(op: Op) -> bool:
    return op.short in MOVES | {"add", "sub", "rsub", "neg"} or times_number(op) is not None


def on_span(span: Span, change: Callable[..., Tensor]) -> Edits:
    """The gradient at a span's input made from the one at its output."""
    edits: dict[int, list[Edit]] = defaultdict(list)
    edits[span.ops[-1].index].append(note_above)
    for number, (op, slot) in enumerate(span.edges):

        def put(op: Op, grad_outputs: Above, grad_input: Tensor, number: int = number) -> Tensor:
            above = grad_outputs.notes[span.ops[-1]]
            return torch.zeros_like(grad_input) if number else change(above)

        edits[op.index].append(at_slot(slot, put))
    return dict(edits)


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
