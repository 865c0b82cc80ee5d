"""A module or a formula of several operations as one function of one value, or one operation so."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod

import torch

from ..kinds import Mistake, at_slot, output_gradient
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


def note_above(op: Op, grad_outputs: Above, grad_inputs: Gradients) -> Gradients:
    """An edit that changes nothing: it keeps what came to an operation's output for later ones."""
    grad_outputs.notes[op] = output_gradient(grad_outputs)
    return grad_inputs


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
